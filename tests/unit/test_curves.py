import pandas as pd

from promptreg.figures import adapter_curves, encode, training_curves
from promptreg.training.log import COLUMNS


def log():
    """A log of four lines, every second of which is of a validation."""
    rows = [dict.fromkeys(COLUMNS, 1 / (step + 1)) | {"n_images": 8.0 * step} for step in range(4)]
    frame = pd.DataFrame(rows)
    frame.loc[::2, list(COLUMNS[-5:])] = None
    return frame


def test_every_loss_and_every_measure_is_a_curve_against_images():
    left, right = training_curves(log()).axes
    assert len(left.lines) == len(right.lines) == 5
    assert left.lines[0].get_xdata().tolist() == [0, 8, 16, 24]
    assert right.lines[0].get_xdata().tolist() == [8, 24]
    assert right.get_ylim() == (0, 1)


def test_the_figure_is_the_same_bytes_at_every_run():
    assert encode(training_curves(log()), "png") == encode(training_curves(log()), "png")


def test_losses_and_dice_of_adapters_are_drawn_against_steps():
    names = ("loss", "mask", "score", "dice", "seen_dice")
    log = pd.DataFrame([dict.fromkeys(names, 1 / (step + 1)) | {"step": step} for step in range(3)])
    log.loc[0, ["loss", "mask", "score"]] = None
    left, right = adapter_curves(log).axes
    assert left.lines[0].get_xdata().tolist() == [1, 2]
    assert right.lines[0].get_xdata().tolist() == [0, 1, 2]
