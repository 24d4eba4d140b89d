import csv

from promptreg.training.log import COLUMNS, append, begin


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_log_begins_with_its_columns_and_leaves_out_what_was_not_measured(tmp_path):
    begin(tmp_path / "log.csv", 0)
    append(tmp_path / "log.csv", {"step": 5, "loss": 1.23456789})
    (row,) = rows(tmp_path / "log.csv")
    assert tuple(row) == COLUMNS
    assert (row["step"], row["loss"], row["one_click"]) == ("5", "1.23457", "")


def test_a_resumed_log_forgets_what_came_after_the_checkpoint(tmp_path):
    begin(tmp_path / "log.csv", 0)
    for step in (5, 10, 15):
        append(tmp_path / "log.csv", {"step": step})
    begin(tmp_path / "log.csv", 10)
    assert [row["step"] for row in rows(tmp_path / "log.csv")] == ["5", "10"]


def test_a_new_run_begins_a_new_log(tmp_path):
    begin(tmp_path / "log.csv", 0)
    append(tmp_path / "log.csv", {"step": 5})
    begin(tmp_path / "log.csv", 0)
    assert rows(tmp_path / "log.csv") == []
