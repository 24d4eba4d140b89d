import pytest
import torch

from promptreg.training.synthmorph_scenes import Scene, ScenePool, batched, drawn_scenes, overlap


def same(one, two):
    return all(torch.equal(getattr(one, name), getattr(two, name)) for name in one.__dataclass_fields__)


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 32)])
def test_the_same_seed_gives_the_same_scenes_and_another_seed_others(shape):
    one, two, other = (drawn_scenes(2, shape, seed) for seed in (1, 1, 2))
    assert all(same(a, b) for a, b in zip(one, two, strict=True))
    assert not same(one[0], other[0])
    assert one[0].fixed.shape == (1, *shape)
    assert one[0].fixed_labels.shape == shape


def test_scenes_overlap_more_than_their_mirror_images():
    batch = batched(drawn_scenes(16, (48, 48), 3))
    start = overlap(batch.moving_masks, batch.fixed_masks).mean()
    assert start > 1.3 * overlap(batch.moving_masks.flip(-1), batch.fixed_masks).mean()


def test_masks_of_a_batch_are_the_labels_of_its_scenes():
    scenes = drawn_scenes(3, (32, 32), 4)
    masks = batched(scenes).fixed_masks
    for number, scene in enumerate(scenes):
        for label in range(1, masks.shape[1] + 1):
            assert torch.equal(masks[number, label - 1].bool(), scene.fixed_labels == label)


def test_a_varied_scene_keeps_the_correspondence_of_its_images_and_labels():
    labels = torch.zeros(8, 8, dtype=torch.int16)
    labels[1:3, 2:7] = 1
    scene = Scene(labels[None].float(), labels[None].float(), labels, labels)
    generator = torch.Generator().manual_seed(0)
    seen = {tuple(scene.varied(generator).fixed_labels.flatten().tolist()) for _ in range(32)}
    assert len(seen) == 4
    for _ in range(8):
        one = scene.varied(generator)
        assert torch.equal(one.moving_labels, one.fixed_labels)
        assert torch.equal(one.moving[0] > 0.5, one.moving_labels == 1)


def test_what_a_pool_gives_at_a_step_does_not_depend_on_the_steps_before():
    settings = {"seed": 5, "size": 4, "fresh": 2, "every": 2}
    going = ScenePool((32, 32), **settings)
    steps = [going.taken(step, 2) for step in range(7)]
    late = ScenePool((32, 32), **settings).taken(6, 2)
    assert all(same(a, b) for a, b in zip(steps[6], late, strict=True))
    assert not same(steps[5][0], steps[6][0])


def test_the_overlap_counts_only_labels_that_both_images_show():
    masks = torch.zeros(1, 2, 4, 4)
    masks[0, 0, :2], masks[0, 1, 2:] = 1, 1
    lacking = masks.clone()
    lacking[0, 1] = 0
    assert overlap(masks, masks) == 1
    assert overlap(masks, lacking) == 1
