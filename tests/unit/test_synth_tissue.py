import torch

from promptreg.synth.draws import Draws
from promptreg.synth.regions import region, region_sizes
from promptreg.synth.tissue import draw_tissue
from promptreg.synth.warps import image_places

CPU = torch.device("cpu")
SHAPE = (96, 96)
SCENES = draw_tissue(Draws(0, CPU), 30, 2)
LABELS = SCENES.labels(image_places(SHAPE, CPU).expand(30, -1, -1)).unflatten(1, SHAPE)
N_COMPARTMENTS = SCENES.parents.shape[1] - 1 - 2 * SCENES.radii.shape[1]


def test_a_scene_has_many_small_glands_in_few_large_compartments():
    sizes = region_sizes(LABELS, SCENES.parents) / LABELS[0].numel()
    glands = sizes[:, 1 + N_COMPARTMENTS : 1 + N_COMPARTMENTS + SCENES.radii.shape[1]]
    assert (glands > 0).sum(1).float().mean() > 10
    assert 0.001 < glands[glands > 0].median() < 0.03
    assert sizes[:, 1 : 1 + N_COMPARTMENTS].sum(1).mean() > 0.5


def test_a_lumen_lies_in_its_gland():
    lumens = 1 + N_COMPARTMENTS + SCENES.radii.shape[1]
    seed = int((lumens <= LABELS).flatten(1).sum(1).argmax())
    lumen = int(LABELS[seed][lumens <= LABELS[seed]].mode().values)
    one, parents = LABELS[seed : seed + 1], SCENES.parents[seed : seed + 1]
    gland = region(one, parents, torch.tensor([lumen - SCENES.radii.shape[1]]))
    hole = one == lumen
    assert hole.sum() > 5
    assert (gland & hole).sum() == hole.sum() < gland.sum()


def test_glands_do_not_touch_one_another():
    gland = (LABELS - 1 - N_COMPARTMENTS) % SCENES.radii.shape[1]
    is_gland = LABELS > N_COMPARTMENTS
    left, right = slice(None, -1), slice(1, None)
    touching = is_gland[:, :, left] & is_gland[:, :, right] & (gland[:, :, left] != gland[:, :, right])
    assert touching.float().mean() < 1e-3
