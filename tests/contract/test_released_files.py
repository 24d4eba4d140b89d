"""A file in the layout of a released one, put into the folder of weights, runs: full size, drawn values.

Layouts come from the package that the authors' code is, or that they release for, and else from what their
files are known to hold.
"""

from __future__ import annotations

import csv
import math

import published_mobile_sam
import published_sam2_video
import pytest
import torch
from safetensors.torch import save_file

from promptreg import checkpoints, registry
from promptreg.checkpoint_table import COLUMNS, table_path
from promptreg.geometry import default_affine
from promptreg.models.mobile_sam import PUBLISHED as TINY_VIT
from promptreg.types import Grid, Image

pytestmark = pytest.mark.slow


def sam():
    from segment_anything import sam_model_registry

    return sam_model_registry["vit_b"]().state_dict()


def mobile_sam():
    encoder = published_mobile_sam.shapes(**TINY_VIT)
    rest = {key: value for key, value in sam().items() if not key.startswith("image_encoder.")}
    return {f"image_encoder.{key}": value for key, value in encoder.items()} | rest


def sam_med3d():
    from medim.models.sam_med3d import build_sam3D_vit_b_ori

    return build_sam3D_vit_b_ori().state_dict()


def sam2():
    """The files of `transformers` hold the model of videos."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    extra = {
        "enable_temporal_pos_encoding_for_object_pointers": True,
        "enable_occlusion_spatial_embedding": True,
    }
    return Sam2VideoModel(Sam2VideoConfig(**extra)).state_dict()


def sam_hq():
    from transformers import SamHQConfig, SamHQModel

    return SamHQModel(SamHQConfig()).state_dict()


def slimsam():
    from promptreg.models.slimsam import build

    return build("slimsam_77").state_dict()


def dinov2():
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14)
    return Dinov2Model(config).state_dict()


def vista3d():
    from monai.networks.nets import vista3d132

    return vista3d132().state_dict()


def drawn(shapes):
    """Values for these shapes, whatever a package begins with: some are so small that they slow all down."""
    generator = torch.Generator().manual_seed(0)
    return {key: one_of(key, shape, generator) for key, shape in shapes.items()}


def on_paper(layout):
    with torch.device("meta"):
        return layout()


def shape_of(value):
    return getattr(value, "shape", value)


def one_of(key, shape, generator):
    if not shape:
        return torch.tensor(1)
    values = torch.randn(shape, generator=generator) / (math.prod(shape[1:]) ** 0.5 or 1)
    if key.endswith("running_var"):
        return 1 + values.abs()
    return 1 + 0.1 * values if len(shape) == 1 and key.endswith("weight") else values


LAYOUTS = {
    "sam_vit_b": sam,
    "medsam_box": sam,
    "medico_sam": sam,
    "scribbleprompt_sam": sam,
    "mobile_sam": mobile_sam,
    "sam_hq_vit_b": sam_hq,
    "slimsam_77": slimsam,
    "sam2_1_tiny": sam2,
    "medsam2": published_sam2_video.published,
    "dinov2_small": dinov2,
    "sam_med3d_turbo": sam_med3d,
    "vista3d": vista3d,
}


@pytest.fixture
def model(request, tmp_path, monkeypatch):
    """The registered model, its file written and neither its size nor its hash published."""
    entry = registry.MODELS[request.param]
    row = checkpoints.find(entry.checkpoint)
    with table_path().open(newline="", encoding="utf-8") as stream:
        lines = [one for one in csv.reader(stream, delimiter="\t") if one[0] in (COLUMNS[0], row.name)]
    lines[1][3:5] = "", ""
    (tmp_path / "table.tsv").write_text("\n".join(map("\t".join, lines)) + "\n", encoding="utf-8")
    monkeypatch.setenv("PROMPTREG_CHECKPOINTS_TABLE", str(tmp_path / "table.tsv"))
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    monkeypatch.setenv("PROMPTREG_ACCEPT_LICENCES", "all")
    state = drawn({key: tuple(shape_of(value)) for key, value in on_paper(LAYOUTS[request.param]).items()})
    file = tmp_path / row.file
    if file.suffix == ".safetensors":
        save_file({key: value.clone() for key, value in state.items()}, file)
    else:
        torch.save({row.key: state, "epoch": 3} if row.key else state, file)
    del state
    yield entry.load()()
    file.unlink()


@pytest.mark.parametrize("model", LAYOUTS, indirect=True)
def test_a_released_file_in_the_folder_of_weights_runs(model):
    shape = (40, 52) if 2 in model.ndim else (12, 40, 52)
    data = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0)) * 200
    embedding = model.embed(Image(data, Grid(shape, default_affine(len(shape)))))
    points = torch.tensor([[[n / 3 for n in shape]]])
    found = model.decode(embedding, points, torch.ones(1, 1, dtype=torch.long))
    assert embedding.features.isfinite().all()
    assert found.logits.isfinite().all()
    assert found.logits.shape[-len(shape) :] == embedding.mask_grid.shape
