import pytest
import torch
from published_sam2_video import published

from promptreg import checkpoints
from promptreg.models.medsam2 import published_model
from promptreg.models.video_layout import as_package_state, package_name


@pytest.fixture(scope="module")
def meta():
    """A released file and the model, without memory."""
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, shape in published().items()}
        return state, published_model()


def test_every_published_tensor_has_its_place_in_the_model_and_no_place_is_left(meta):
    state, model = meta
    found = {name: value.shape for name, value in as_package_state(state).items()}
    assert found == {name: value.shape for name, value in model.state_dict().items()}
    assert len(state) == 471
    assert len(found) == 471 - 4 + 1 + 1
    assert round(sum(value.numel() for value in model.parameters()) / 1e6, 2) == 38.96


def test_no_two_published_names_become_one():
    assert len({package_name(name) for name in published()}) == len(published())


def test_point_embeddings_keep_their_order_and_frequencies_stand_twice():
    state = {f"sam_prompt_encoder.point_embeddings.{n}.weight": torch.full((1, 3), n) for n in (2, 0, 3, 1)}
    state["sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"] = torch.ones(2, 3)
    found = as_package_state(state)
    assert found["prompt_encoder.point_embed.weight"][:, 0].tolist() == [0, 1, 2, 3]
    assert torch.equal(
        found["shared_image_embedding.positional_embedding"],
        found["prompt_encoder.shared_embedding.positional_embedding"],
    )


@pytest.mark.parametrize("lacking", ["no_mem_embed", "sam_prompt_encoder.point_embeddings.2.weight"])
def test_absent_and_unknown_tensors_are_left_to_strict_loading_which_names_them(meta, lacking):
    state, model = meta
    changed = {name: value for name, value in state.items() if name != lacking} | {"other": torch.zeros(1)}
    with pytest.raises(ValueError, match="other"):
        checkpoints.load_strictly(model, as_package_state(changed), "medsam2")
