"""Segment Anything with 3D adapters that are trained on the target data (Medical SAM Adapter).

Volumes are encoded in slabs of neighbouring slices that attend to each other; masks are decoded in slices,
as those of the model beneath. Without training it is that model, exactly.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import pad

from promptreg import checkpoints
from promptreg.atomic import replacing
from promptreg.checkpoints import CheckpointUnavailable
from promptreg.models.sam import SegmentAnything
from promptreg.models.slicewise import Slicewise
from promptreg.nets.adapter_vit import AdapterViT
from promptreg.nets.weightfile import read_about
from promptreg.state_dicts import load_strictly, read_state_dict
from promptreg.types import Embedding, Image

NAME = "sam_adapter3d"
BASE = "sam_vit_b"


class SamAdapter(SegmentAnything):
    """A Segment Anything whose encoder has adapters; `embed_stack` takes the slices of one volume in order.

    They fall into slabs of at most `depth` slices, as equal as possible; only slices of one slab see each
    other. Everything is frozen until `trainable` is called.
    """

    slices_per_chunk: ClassVar[int] = sys.maxsize

    def __init__(self, sam: Any, *, depth: int, seed: int = 0, name: str = NAME) -> None:
        sam.image_encoder = AdapterViT(sam.image_encoder, seed=seed)
        super().__init__(sam, name=name)
        self.depth = depth

    @property
    def learned(self) -> nn.ModuleDict:
        """What training may change, and what its file holds: the adapters and the mask decoder."""
        return nn.ModuleDict(
            {"adapters": self.sam.image_encoder.adapters, "mask_decoder": self.sam.mask_decoder}
        )

    def trainable(self, *, decoder: bool) -> list[nn.Parameter]:
        """Let the adapters, and the mask decoder if wanted, ask for gradients; returns their parameters."""
        self.sam.requires_grad_(False)
        for name, part in self.learned.items():
            part.requires_grad_(decoder or name == "adapters")
        return [one for one in self.sam.parameters() if one.requires_grad]

    def _encode(self, prepared: Tensor) -> Tensor:
        """Pad and encode the slices of one volume (N, 3, Y, X) slab by slab; keeps gradients."""
        self._follow(prepared)
        height, width = prepared.shape[-2:]
        padded = pad(prepared, (0, self._side - width, 0, self._side - height))
        slabs = padded.tensor_split(ceil(len(padded) / self.depth))
        device = prepared.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            return torch.cat([self.sam.image_encoder(slab).float() for slab in slabs])


class AdapterSlices(Slicewise):
    """A `SamAdapter` on pictures and volumes."""

    def embed_all(self, images: Sequence[Image]) -> list[Embedding]:
        """Encode images one by one: together they would be slices of one volume."""
        return [self.embed(image) for image in images]


class SamAdapter3d(AdapterSlices):
    """The model as trained by `promptreg train-adapter` or the workflow's rule `train`.

    Raises:
        CheckpointUnavailable: the published weights beneath, or those of the adapters, are not there.
    """

    def __init__(self, trained: str | Path | None = None) -> None:
        file = default_file() if trained is None else Path(trained)
        about = stated(file)
        model = SamAdapter(base_sam(), depth=about["depth"])
        read_learned(model, file)
        super().__init__(model)


def base_sam() -> Any:
    """Build Segment Anything with its published weights, every key matched, before any adapter is added.

    Raises:
        CheckpointUnavailable: the weights are not in the cache.
    """
    return SegmentAnything.from_checkpoint(BASE).sam


def default_file() -> Path:
    """Where trained weights are looked for if none are named."""
    return checkpoints.cache_dir() / f"{NAME}.safetensors"


def write_learned(model: SamAdapter, path: Path, about: dict[str, Any]) -> None:
    """Write what was trained, with the depth of the slabs and what is said `about` it (JSON values)."""
    tensors = {name: one.detach().cpu().contiguous() for name, one in model.learned.state_dict().items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=_packed({"depth": model.depth, **about}))


def write_unavailable(path: Path, reason: str) -> None:
    """Write a file that only says why there are no weights."""
    with replacing(path) as temporary:
        save_file({}, temporary, metadata=_packed({"unavailable": reason}))


def stated(path: Path) -> dict[str, Any]:
    """Read what a file says about itself; CheckpointUnavailable if it is absent or has no weights."""
    if not path.is_file():
        raise CheckpointUnavailable(
            f"{NAME} is trained on the target data and {path} is absent: promptreg train-adapter makes it"
        )
    about: dict[str, Any] = read_about(path).get("about", {})
    if "unavailable" in about:
        raise CheckpointUnavailable(f"{NAME} was not trained: {about['unavailable']}")
    if "depth" not in about:
        raise ValueError(f"{path} was not written by `promptreg train-adapter`: it states no depth")
    return about


def read_learned(model: SamAdapter, path: Path) -> None:
    """Load what was trained; ValueError that names the tensors unless every one fits."""
    load_strictly(model.learned, read_state_dict(path), str(path))


def _packed(about: dict[str, Any]) -> dict[str, str]:
    """One entry, as the order of several is not the same in every file."""
    return {"about": json.dumps(about)}
