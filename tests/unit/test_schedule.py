import pytest
from tiny_training import tiny_config

from promptreg.training.schedule import balanced_weight, batch_shape, ema_decay, learning_rate, progress


def test_progress_counts_steps_or_wall_time():
    assert progress(tiny_config(steps=10), 5, 1e9) == 0.5
    assert progress(tiny_config(steps=None, minutes=2), 10**9, 30.0) == 0.25


def test_the_learning_rate_rises_then_falls_to_a_hundredth():
    config = tiny_config(warm_up=10, learning_rate=1.0)
    assert learning_rate(config, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(config, 9, 0.0) == pytest.approx(1.0)
    assert learning_rate(config, 500, 0.5) == pytest.approx(0.505)
    assert learning_rate(config, 1000, 1.0) == pytest.approx(0.01)


def test_the_balanced_weight_falls_from_one_to_three_tenths():
    config = tiny_config(balanced_until=0.4)
    assert [balanced_weight(config, spent) for spent in (0.0, 0.2, 0.4, 1.0)] == pytest.approx(
        [1, 0.65, 0.3, 0.3]
    )


def test_the_last_part_of_a_run_has_larger_images():
    config = tiny_config(n_pairs=3, late_share=0.25)
    assert batch_shape(config, 0.74) == (3, 32)
    assert batch_shape(config, 0.75) == (1, 48)


def test_the_average_forgets_the_first_weights_soon():
    config = tiny_config(ema=0.99)
    assert ema_decay(config, 0) == pytest.approx(0.1)
    assert ema_decay(config, 10**6) == 0.99
