import numpy as np
import pytest

from promptreg.labelmaps import one_hot


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_each_label_value_gets_its_own_mask_in_the_given_order(kind):
    labels = np.array([[0, 3, 3], [200, 0, 3]], dtype=kind)
    masks = one_hot(labels, [200, 3])
    assert masks.tolist() == [
        [[False, False, False], [True, False, False]],
        [[False, True, True], [False, False, True]],
    ]


def test_a_value_that_is_absent_gets_an_empty_mask_and_no_value_no_mask():
    labels = np.ones((2, 3, 4), dtype=np.int32)
    assert not one_hot(labels, [7]).any()
    assert one_hot(labels, []).shape == (0, 2, 3, 4)
