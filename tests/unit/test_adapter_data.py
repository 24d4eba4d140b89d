import numpy as np
import pytest
import torch
from small_adapter import blobs

from promptreg.geometry import default_affine
from promptreg.models.colours import to_colours
from promptreg.training.adapter_data import drawn_slab, labelled_stack, largest_slabs, region_masks
from promptreg.types import Grid, Image


@pytest.fixture(scope="module")
def stack():
    return labelled_stack(*blobs(0), to_colours)


def test_a_volume_is_cut_across_its_coarsest_axis():
    image, labels = blobs(0)
    turned = Image(
        image.data.permute(0, 2, 1, 3), Grid((48, 6, 48), default_affine(3, (1.0, 4.0, 1.0))), "turned"
    )
    found = labelled_stack(turned, labels.transpose(1, 0, 2), to_colours)
    assert found.labels.shape == (6, 48, 48)
    assert found.colours.shape == (6, 3, 48, 48)
    np.testing.assert_array_equal(found.labels.numpy(), labels)
    np.testing.assert_allclose(found.grid.spacing, [1, 1])


def test_a_picture_is_one_slice():
    found = labelled_stack(*blobs(0, shape=(40, 60)), to_colours)
    assert found.labels.shape == (1, 40, 60)
    assert found.grid.shape == (40, 60)


def test_regions_are_the_large_enough_pieces_of_every_label_in_every_slice(stack):
    expected = [
        (number, label, int((labels == label).sum()))
        for number, labels in enumerate(stack.labels)
        for label in (1, 2)
        if (labels == label).sum() >= 12
    ]
    assert stack.regions.tolist() == [list(one) for one in expected]


def test_an_image_without_labels_is_an_error_that_names_it():
    image, labels = blobs(3)
    with pytest.raises(ValueError, match="blobs 3"):
        labelled_stack(image, 0 * labels, to_colours)


def test_a_slab_has_its_depth_lies_in_the_stack_and_its_regions_are_shown(stack):
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        slab = drawn_slab(stack, 3, 4, generator)
        assert slab.last - slab.first == 3
        assert slab.first >= 0
        assert slab.last <= 6
        assert 1 <= len(slab.numbers) <= 4
        assert len({*zip(slab.numbers.tolist(), slab.values.tolist(), strict=True)}) == len(slab.numbers)
        for number in slab.numbers.unique().tolist():
            assert (region_masks(stack, slab, number).sum((-2, -1)) >= 12).all()


def test_a_slab_deeper_than_the_stack_is_the_stack(stack):
    slab = drawn_slab(stack, 10, 4, torch.Generator().manual_seed(0))
    assert (slab.first, slab.last) == (0, 6)


def test_rare_labels_are_drawn_as_often_as_frequent_ones(stack):
    generator = torch.Generator().manual_seed(0)
    drawn = [int(drawn_slab(stack, 1, 1, generator).values[0]) for _ in range(200)]
    assert drawn.count(1) / 200 == pytest.approx(0.5, abs=0.12)


def test_validation_looks_at_the_largest_slice_of_each_label(stack):
    for slab in largest_slabs(stack, 3):
        label, number = int(slab.values[0]), slab.first + int(slab.numbers[0])
        assert number == int((stack.labels == label).sum((1, 2)).argmax())
