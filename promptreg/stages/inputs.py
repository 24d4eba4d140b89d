"""The stores that a job reads, found by what they hold, and how images and grids lie in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from promptreg.store import Store, StoreError, open_store
from promptreg.types import Ddf, Embedding, Grid, Image, Pair, RoiPairs

Variables = dict[str, tuple[tuple[str, ...], np.ndarray]]

_AXES = ("z", "y", "x")


class NoResult(RuntimeError):
    """An earlier stage has no result for this image or pair; carries its status and reason."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Inputs:
    """Input stores of one job, addressed by kind and group."""

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self._stores = [open_store(path) for path in paths]
        self._places = {
            (store.signature.kind, group): store for store in self._stores for group in store.groups
        }

    def digests(self) -> dict[str, str]:
        """Signatures of all inputs, for the signature of what is made from them."""
        return {
            f"{one.path.parent.name}/{one.path.name}:{one.signature.kind}": one.signature.digest
            for one in self._stores
        }

    def groups(self, kind: str) -> list[str]:
        """Names of all groups of a kind, in the order of the stores."""
        return [group for found, group in self._places if found == kind]

    def attrs(self, kind: str, group: str) -> dict[str, Any]:
        """Attributes of a group, whatever its status."""
        return self._store(kind, group).attrs(group)

    def read(self, kind: str, group: str) -> xr.Dataset:
        """Read a group that has a result; NoResult otherwise."""
        store = self._store(kind, group)
        attrs = store.attrs(group)
        if attrs["status"] != "ok":
            raise NoResult(attrs["status"], attrs["reason"])
        return store.get(group)

    def image(self, group: str) -> Image:
        """Read an image."""
        dataset = self.read("images", group)
        return Image(torch.from_numpy(dataset["data"].values), grid_from(dataset.attrs["grid"]), group)

    def pair(self, group: str) -> Pair:
        """Read both images of a pair, and its pre-alignment."""
        attrs = self.read("pairs", group).attrs
        return Pair(
            self.image(attrs["moving"]),
            self.image(attrs["fixed"]),
            np.array(attrs["prealignment"], float),
            group,
        )

    def embedding(self, image: str, number: int, device: torch.device, *, kind: str = "view") -> Embedding:
        """Read the embedding of one view, or turn, of an image, in float32 on `device`."""
        dataset = self.read("embeddings", f"{image}.{kind}{number}")
        grids = dataset.attrs["grids"]
        tensors = {
            str(name): torch.from_numpy(one.values).to(device) for name, one in dataset.data_vars.items()
        }
        features = tensors.pop("features").float()
        extras = {name: one.float() if one.is_floating_point() else one for name, one in tensors.items()}
        return Embedding(
            features, grid_from(grids["feature"]), grid_from(grids["image"]), grid_from(grids["mask"]), extras
        )

    def ddf(self, group: str) -> Ddf:
        """Read the canonical field of a pair."""
        dataset = self.read("ddf", group)
        return Ddf(torch.from_numpy(dataset["displacement"].values), grid_from(dataset.attrs["grid"]))

    def _store(self, kind: str, group: str) -> Store:
        if (kind, group) not in self._places:
            places = [str(one.path) for one in self._stores]
            msg = f"no input store of kind '{kind}' holds '{group}'; inputs are {places}"
            raise StoreError(msg)
        return self._places[kind, group]


def grid_record(grid: Grid) -> dict[str, Any]:
    """Return a grid as JSON."""
    return {"shape": list(grid.shape), "affine": np.asarray(grid.affine).tolist(), "unit": grid.unit}


def grid_from(record: dict[str, Any]) -> Grid:
    """Return the grid of a JSON record."""
    return Grid(tuple(record["shape"]), np.array(record["affine"], float), record["unit"])


def spatial_dims(ndim: int, prefix: str = "") -> tuple[str, ...]:
    """Return dimension names of an image's spatial axes, in array order."""
    return tuple(prefix + axis for axis in _AXES[-ndim:])


def image_variables(image: Image) -> Variables:
    """Return an image's array for the store."""
    return {"data": (("channel", *spatial_dims(image.grid.ndim)), image.data.cpu().numpy())}


def embedding_variables(embedding: Embedding, dtype: str, *, bare: bool = False) -> Variables:
    """Return an embedding's arrays for the store; features in `dtype`.

    `bare` leaves out what only decoding needs.
    """
    features = embedding.features.cpu().numpy().astype(dtype)
    variables: Variables = {"features": (("feature", *spatial_dims(features.ndim - 1)), features)}
    for name, tensor in embedding.extras.items():
        if bare and name != "body":
            continue
        array = tensor.cpu().numpy()
        variables[name] = (tuple(f"{name}_{axis}" for axis in range(array.ndim)), array)
    return variables


def embedding_grids(embedding: Embedding) -> dict[str, Any]:
    """Return an embedding's grids as JSON."""
    return {
        "feature": grid_record(embedding.feature_grid),
        "image": grid_record(embedding.image_grid),
        "mask": grid_record(embedding.mask_grid),
    }


def ddf_variables(ddf: Ddf) -> Variables:
    """Return a field's array for the store."""
    return {"displacement": (("component", *spatial_dims(ddf.grid.ndim)), ddf.displacement.cpu().numpy())}


def roi_pairs_from(record: xr.Dataset) -> RoiPairs:
    """Return the ROI pairs of a stored correspondence record, in float32."""
    return RoiPairs(
        torch.from_numpy(record["moving"].values).float(),
        torch.from_numpy(record["fixed"].values).float(),
        grid_from(record.attrs["moving_grid"]),
        grid_from(record.attrs["fixed_grid"]),
        torch.from_numpy(record["weights"].values),
    )
