import pandas as pd
import pytest

from promptreg.figures import encode, rule_costs

COSTS = pd.DataFrame(
    {
        "rule": ["fit", "search", "gather"],
        "jobs": [2, 4, 1],
        "hours": [2.0, 5.0, 0.001],
        "cpu_hours": [1.5, 5.0, 0.001],
        "gpu_hours": [0.5, 0.0, 0.0],
        "memory_mb": [1024.0, 2048.0, 100.0],
    }
)


def test_rules_stand_by_their_hours_the_longest_on_top():
    time, memory = rule_costs(COSTS).axes
    assert [label.get_text() for label in time.get_yticklabels()] == ["gather", "fit", "search"]
    assert [text.get_text() for text in time.texts] == [" 0.001 h, 1 job", " 2 h, 2 jobs", " 5 h, 4 jobs"]
    assert [bar.get_width() for bar in memory.patches] == pytest.approx([100 / 1024, 1.0, 2.0])


def test_hours_on_a_gpu_are_a_part_of_the_bar():
    on_cpu, on_gpu = rule_costs(COSTS).axes[0].containers
    assert [bar.get_width() for bar in on_cpu] == [0.001, 1.5, 5.0]
    assert [bar.get_width() for bar in on_gpu] == [0.0, 0.5, 0.0]
    assert on_gpu[1].get_x() == 1.5


@pytest.mark.parametrize(
    ("longest", "label", "texts"),
    [
        (5.0, "wall-clock hours of all jobs", [" 0.001 h, 1 job", " 2 h, 2 jobs", " 5 h, 4 jobs"]),
        (0.5, "wall-clock minutes of all jobs", [" 0.006 min, 1 job", " 12 min, 2 jobs", " 30 min, 4 jobs"]),
        (0.01, "wall-clock seconds of all jobs", [" 0.0072 s, 1 job", " 14.4 s, 2 jobs", " 36 s, 4 jobs"]),
    ],
)
def test_the_longest_row_chooses_the_unit_of_time(longest, label, texts):
    hours = ["hours", "cpu_hours", "gpu_hours"]
    time = rule_costs(COSTS.assign(**COSTS[hours] * longest / 5)).axes[0]
    assert time.get_xlabel() == label
    assert [text.get_text() for text in time.texts] == texts
    per_row = [
        on_cpu.get_width() + on_gpu.get_width() for on_cpu, on_gpu in zip(*time.containers, strict=True)
    ]
    assert [f" {width:.3g} " in text for width, text in zip(per_row, texts, strict=True)] == [True] * 3


@pytest.mark.parametrize("costs", [COSTS, COSTS[:1], COSTS[:0]])
def test_equal_costs_give_equal_bytes_however_few_there_are(costs):
    first, second = (encode(rule_costs(costs), "png") for _ in range(2))
    assert first == second
    assert len(first) > 1000
