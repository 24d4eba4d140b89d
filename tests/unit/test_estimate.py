import pytest
from test_costs import benchmark, log
from test_runrecord import leave_record

from promptreg.estimate import Forecast, Rate, forecast, rates, size_of
from promptreg.jobs import Job
from promptreg.run_texts import duration, plan_text


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Results of two measured jobs of one rule, of three pairs together."""
    monkeypatch.chdir(tmp_path)
    leave_record(tmp_path, [Job("evaluate", "a/d/000", 2), Job("evaluate", "b/d/000", 1)])
    for name, seconds, n_bytes in (("a", 20, 200), ("b", 40, 400)):
        benchmark(tmp_path, f"evaluate/{name}/d/000", seconds, cpu=seconds / 2)
        (tmp_path / f"metrics/{name}/d").mkdir(parents=True)
        (tmp_path / f"metrics/{name}/d/000.parquet").write_bytes(b"x" * n_bytes)
    log(tmp_path, "evaluate/b/d/000", "evaluate took 39.0 s on cuda\n")
    return tmp_path


def test_rates_are_means_an_item_by_method_and_over_the_rule(root):
    assert rates(root) == {
        ("evaluate", "a"): Rate(5.0, 0.0, 100.0),
        ("evaluate", "b"): Rate(20.0, 40.0, 400.0),
        ("evaluate", ""): Rate(10.0, 40.0 / 3, 200.0),
    }


def test_hours_and_bytes_of_what_is_left_follow_its_own_method(root):
    jobs = [Job("evaluate", f"a/d/{n:03d}", 36) for n in range(3)]
    (found,) = forecast(jobs, jobs[:1], rates(root))
    assert found == Forecast("evaluate", 3, 2, 0.1, 0.0, 7200.0, "method")


def test_a_new_method_is_estimated_after_its_rule_and_a_new_rule_not_at_all(root):
    new, other = forecast([Job("evaluate", "c/d/000", 360), Job("fit", "c/d/000", 1)], [], rates(root))
    assert (new.cpu_hours, new.measured) == (1.0, "rule")
    assert (other.cpu_hours, other.measured) == (0.0, "")


def test_the_text_sums_up_and_says_how_it_was_estimated(root):
    jobs = [Job("evaluate", "a/d/000", 720), Job("fit", "c/d/000", 1)]
    text = plan_text(forecast(jobs, [], rates(root)), root)
    lines = [line.split() for line in text.splitlines()]
    assert ["evaluate", "1", "1", "0.000", "1.00", "0.00", "method"] in lines
    assert ["fit", "1", "1", "?", "?", "?"] in lines
    assert ["all", "2", "2", "0.000", "1.00", "0.00"] in lines
    assert f"Estimated from the finished jobs in {root}" in text
    assert "Not in the sums, since never measured: fit." in text


def test_without_a_measured_run_the_text_says_how_to_get_one():
    text = plan_text(forecast([Job("fit", "c/d/000", 1)], [], {}), None)
    assert "Nothing has been measured: run a part first" in text
    assert ["all", "1", "1", "?", "?", "?"] in [line.split() for line in text.splitlines()]


def test_the_size_of_a_folder_is_that_of_all_its_files(root):
    assert size_of(root / "metrics") == 600
    assert size_of(root / "metrics/a/d/000.parquet") == 200
    assert size_of(root / "nothing") == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (200, "3.3 min"), (7200, "2.0 h"), (200_000, "2.3 days")]
)
def test_a_length_of_time_is_said_in_words(seconds, text):
    assert duration(seconds) == text
