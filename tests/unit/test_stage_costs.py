import pandas as pd
from test_costs import benchmark

from promptreg.stages import costs, figures


def test_costs_are_written_a_row_a_rule_and_can_be_drawn(tmp_path):
    for shard, seconds in (("000", 1800), ("001", 5400)):
        benchmark(tmp_path, f"fit/promptreg/d/{shard}", seconds, cpu=3600, memory=512)
    output = tmp_path / "tables/costs.csv"
    costs.run({}, [], str(output))
    (row,) = pd.read_csv(output).itertuples(index=False)
    assert tuple(row) == ("fit", 2, 2.0, 2.0, 0.0, 512.0)
    job = {"figure": "hours", "config": {}}
    figures.run(job, [str(output)], str(tmp_path / "hours.png"))
    assert (tmp_path / "hours.png").stat().st_size > 1000


def test_without_any_benchmark_the_table_has_its_columns_alone(tmp_path):
    costs.run({}, [], str(tmp_path / "tables/costs.csv"))
    assert list(pd.read_csv(tmp_path / "tables/costs.csv")) == [
        *("rule", "jobs", "hours", "cpu_hours", "gpu_hours", "memory_mb")
    ]
