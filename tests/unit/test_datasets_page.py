import re

from promptreg.datasets_page import datasets_page
from promptreg.registry import DATASETS
from promptreg.source_table import sources

PAGE = datasets_page(DATASETS, sources())


def rows(title):
    """Cells of the rows of the table whose first header is `title`."""
    lines = PAGE.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {title} |"))
    found = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return found
        found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def test_every_source_stands_in_the_table_with_licence_and_citation():
    table = {row[0].strip("`"): row for row in rows("data set | reader")}
    assert set(table) == set(sources())
    for name, source in sources().items():
        assert source.citation in table[name][-1]
        assert source.licence in table[name][-2]
        assert (f"**{source.licence}**" in table[name][-2]) == bool(source.accept)


def test_every_file_stands_in_the_table_with_where_it_is_from():
    files = [one for source in sources().values() for one in source.archives]
    table = rows("data set | file")
    assert [row[1].strip("`") for row in table] == [one.file for one in files]
    assert [row[3] == "none published" for row in table] == [not one.sha256 for one in files]


def test_every_reader_of_a_source_has_its_layout_and_a_note_on_what_to_know():
    readers = {one.reader for one in sources().values()}
    assert {row[0].strip("`") for row in rows("reader | reads")} == readers
    notes = set(re.findall(r"^- `(\w+)`: ", PAGE, flags=re.MULTILINE))
    assert notes == readers


def test_what_was_checked_on_real_files_is_said_of_every_reader_of_a_release():
    named = {name for row in rows("reader | real files") for name in re.findall(r"`(\w+)`", row[0])}
    assert named == {one.reader for one in sources().values()} | {"chaos_nifti"}
