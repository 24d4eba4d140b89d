import os

import pytest

from promptreg.costs import RuleCost, by_rule, read_costs, tail, used_gpu

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def benchmark(root, name, seconds, cpu="NA", memory="NA"):
    """Write a benchmark file as Snakemake does."""
    file = root / "benchmarks" / f"{name}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{HEADER}{seconds}\t0:00:01\t{memory}\t1\t1\t1\t1\t1\t1\t{cpu}\n")


def log(root, name, text):
    file = root / "logs" / f"{name}.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def root(tmp_path):
    """Results of three jobs, one of them on a GPU."""
    benchmark(tmp_path, "fit/promptreg/d/000", 1800, cpu=3600, memory=1024)
    benchmark(tmp_path, "fit/promptreg/d/001", 5400, cpu=1800, memory=512)
    benchmark(tmp_path, "gather", 0.5)
    log(
        tmp_path,
        "fit/promptreg/d/000",
        "INFO fit 1/1 p\n2026-01-01 00:00:00 INFO fit took 1799.0 s on cuda\n",
    )
    log(tmp_path, "fit/promptreg/d/001", "INFO fit took 5399.0 s on cpu\n")
    return tmp_path


def test_costs_are_read_by_rule_and_name(root):
    found = {(one.rule, one.name): one for one in read_costs(root)}
    assert list(found) == [("fit", "promptreg/d/000"), ("fit", "promptreg/d/001"), ("gather", "")]
    first = found["fit", "promptreg/d/000"]
    assert (first.seconds, first.cpu_seconds, first.memory_mb, first.gpu) == (1800, 3600, 1024, True)
    assert not found["fit", "promptreg/d/001"].gpu
    assert first.ended == os.stat(root / "benchmarks/fit/promptreg/d/000.tsv").st_mtime


def test_what_snakemake_could_not_measure_is_zero_and_an_empty_file_is_left_out(root):
    (gather,) = [one for one in read_costs(root) if one.rule == "gather"]
    assert (gather.seconds, gather.cpu_seconds, gather.memory_mb) == (0.5, 0.0, 0.0)
    (root / "benchmarks/gather.tsv").write_text("")
    assert "gather" not in {one.rule for one in read_costs(root)}


def test_hours_are_summed_and_memory_is_the_largest(root):
    fit, gather = by_rule(read_costs(root))
    assert fit == RuleCost("fit", 2, 2.0, 1.5, 0.5, 1024)
    assert (gather.jobs, gather.gpu_hours) == (1, 0.0)


def test_a_folder_without_benchmarks_has_cost_nothing(tmp_path):
    assert read_costs(tmp_path) == []


def test_the_last_word_of_a_log_says_where_a_stage_ran(tmp_path):
    assert used_gpu("x took 1.0 s on cpu\nx took 2.0 s on cuda\n")
    assert not used_gpu("x took 1.0 s on cuda\nx took 2.0 s on cpu\n")
    assert not used_gpu("")
    log(tmp_path, "long", "x" * 10_000 + "end")
    assert tail(tmp_path / "logs/long.log").endswith("xend")
    assert len(tail(tmp_path / "logs/long.log")) == 4096
    assert tail(tmp_path / "none.log") == ""
