import csv
import re
from pathlib import Path

from published_layouts import WRITERS

TABLE = Path(__file__).parents[2] / "config" / "sources.tsv"


def rows():
    with TABLE.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_reader_of_a_published_release_has_a_source():
    listed = {reader for row in rows() for reader in row["reader"].split()}
    assert listed == set(WRITERS) - {"chaos_nifti"}


def test_every_source_says_how_it_is_obtained_and_whom_to_cite():
    for row in rows():
        assert None not in row.values()
        assert row["obtain"]
        assert row["citation"]
        assert re.fullmatch("[0-9]*", row["bytes"])
        assert re.fullmatch("([0-9a-f]{64})?", row["sha256"])
