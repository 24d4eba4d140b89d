import numpy as np
import pytest
import torch
from PIL import Image as Picture

from promptreg import checkpoints
from promptreg.models import medsam2
from promptreg.models.medsam2 import INPUTS, MedSam2, resize_cubic


@pytest.mark.parametrize("shape", [(90, 140), (700, 530)])
def test_slices_are_resized_as_pillow_does_which_the_authors_use(shape):
    pixels = (np.random.default_rng(0).random((*shape, 3)) * 255).astype(np.uint8)
    # In two calls, since Pillow has not always begun with the same axis.
    golden = np.asarray(Picture.fromarray(pixels).resize((512, shape[0])).resize((512, 512))).astype(float)
    colours = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    found = resize_cubic(colours, (512, 512))[0].permute(1, 2, 0).numpy()
    assert np.abs(found - golden).max() <= 1
    assert (found != golden).mean() < 0.01


def test_the_encoder_sees_the_published_mean_and_spread_of_a_stretched_square():
    colours = torch.tensor([255.0, 0.0, 127.5]).view(1, 3, 1, 1).expand(-1, -1, 20, 50)
    found = INPUTS.transform(colours, (512, 512))
    expected = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (128 / 255 - 0.406) / 0.225]
    torch.testing.assert_close(found[0, :, 7, 400], torch.tensor(expected), atol=1e-4, rtol=0)
    assert not INPUTS.keeps_aspect


def test_absent_weights_are_an_error_that_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    with pytest.raises(RuntimeError, match="medsam2"):
        MedSam2()


def test_a_state_dict_with_other_keys_is_refused_by_name(monkeypatch):
    from small_models.video_models import small_video

    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: {"maskmem": torch.zeros(1)})
    monkeypatch.setattr(medsam2, "published_model", small_video)
    with pytest.raises(ValueError, match="maskmem"):
        MedSam2()


def test_the_published_architecture_takes_512_pixels_and_makes_32_cells():
    with torch.device("meta"):
        model = medsam2.published_model()
    assert model.image_size == 512
    assert model.prompt_encoder.image_embedding_size == (32, 32)
    assert model.prompt_encoder.mask_input_size == (128, 128)
    assert model.memory_attention.position_ids.shape == (1024, 2)
    assert not model.mask_decoder.dynamic_multimask_via_stability
