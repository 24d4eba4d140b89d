import numpy as np
import pytest
import torch
from layout_reference import answers, stretched
from pictures import as_image, picture
from scipy.ndimage import map_coordinates
from small_models.sam_layout_models import SIDE, planar_scribbleprompt_sam
from small_sam import small_sam

from promptreg import checkpoints
from promptreg.models import medical_sam
from promptreg.models.medical_sam import MedicoSam, ScribblePromptSam, linear_square
from promptreg.models.sam_settings import ALWAYS_THREE, AS_PROMPTED, LONGEST_SIDE

SHAPES = [(72, 100), (300, 90), (128, 128)]


def golden(sam, pixels, side):
    """ScribblePrompt's input of 8-bit colours (Y, X, 3): linear between pixels, then SAM's normalization."""
    rows, columns = ((np.arange(side) + 0.5) * n / side - 0.5 for n in pixels.shape[:2])
    at = np.meshgrid(rows, columns, indexing="ij")
    channels = [map_coordinates(pixels[..., c] / 255.0, at, order=1, mode="nearest") for c in range(3)]
    return sam.preprocess(255 * torch.from_numpy(np.stack(channels)).float())


@pytest.mark.parametrize("shape", [*SHAPES, (40, 333)])
def test_the_input_of_scribbleprompt_is_the_published_one(shape):
    pixels = picture(shape)
    found = linear_square(as_image(pixels).data[None], (SIDE, SIDE))[0]
    torch.testing.assert_close(found, golden(small_sam(), pixels, SIDE), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_scribbleprompt_offers_three_masks_of_the_packages_own_modules_for_any_number_of_points(shape):
    model, pixels = planar_scribbleprompt_sam(), picture(shape)
    points, labels = torch.tensor([[0.2, 0.8], [0.7, 0.3]]) * torch.tensor(shape), [1, 0]
    embedding = model.embed(as_image(pixels))
    for n in (1, 2):
        found = model.decode(embedding, points[None, :n], torch.tensor([labels[:n]]))
        in_input = stretched(points[:n], shape, SIDE)
        _, logits, scores = answers(
            small_sam(), golden(small_sam(), pixels, SIDE), in_input, labels[:n], multimask=True
        )
        torch.testing.assert_close(found.logits, logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.scores, scores, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("model", "name", "inputs", "offer"),
    [
        (MedicoSam, "medico_sam", LONGEST_SIDE, AS_PROMPTED),
        (ScribblePromptSam, "scribbleprompt_sam", medical_sam.SCRIBBLEPROMPT, ALWAYS_THREE),
    ],
)
def test_each_loads_its_own_file_and_keeps_its_own_conventions(monkeypatch, model, name, inputs, offer):
    state = {key: value + 1 for key, value in small_sam().state_dict().items()}
    monkeypatch.setattr(medical_sam, "vit_b", small_sam)
    monkeypatch.setattr(checkpoints, "load_state_dict", {name: state}.__getitem__)
    planar = model().planar
    assert (planar.name, planar.inputs, planar.offer) == (name, inputs, offer)
    assert all(torch.equal(value, state[key]) for key, value in planar.sam.state_dict().items())
