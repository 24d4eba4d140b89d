"""Register one pair from files or arrays, keep everything that came of it, and apply fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
import torch

from promptreg.atomic import replacing
from promptreg.config import Config
from promptreg.device import choose_device
from promptreg.figures.methods import methods_side_by_side
from promptreg.figures.overlays import before_and_after
from promptreg.figures.prompts_rois import prompts_and_rois
from promptreg.figures.style import encode
from promptreg.geometry import (
    affine_to_ddf,
    ddf_from_itk,
    inverse_transform_points,
    resample,
    transform_points,
    warp,
    write_itk,
    write_learn2reg,
)
from promptreg.imageio import read_image, read_labels, write_image, write_labels
from promptreg.licences import accepting
from promptreg.models.base import compile_encoder
from promptreg.pipeline import Registration, register_pair
from promptreg.pointfiles import read_landmarks, write_points
from promptreg.prealign import prealign
from promptreg.registry import find
from promptreg.settings import ConfigError, Variant, load_file
from promptreg.settings import variant as variant_of
from promptreg.types import Ddf, Grid, Image, Pair, check_alike

_ROLES = {1: "positive", 0: "negative"}
FORWARD, BACKWARD = "fixed-to-moving", "moving-to-fixed"


@dataclass(frozen=True, eq=False)
class RegisteredPair:
    """A registered pair of images; `ddf` is canonical, `moved` lies on the fixed grid."""

    pair: Pair
    registration: Registration

    @property
    def ddf(self) -> Ddf:
        """The fitted field, on the CPU like the images."""
        found = self.registration.fit.ddf
        return Ddf(found.displacement.cpu(), found.grid)

    @property
    def moved(self) -> Image:
        """The moving image, sampled once on the fixed grid."""
        data = warp(self.pair.moving.data, self.pair.moving.grid, self.ddf, padding="border")
        return Image(data, self.pair.fixed.grid, "moved")


def register(
    moving: str | Path | Image,
    fixed: str | Path | Image,
    *,
    prompts: Sequence[str] = (),
    model: str | None = None,
    variant: str | None = None,
    config: str | Path | Config | None = None,
    seed: int = 0,
) -> RegisteredPair:
    """Register `moving` to `fixed` by searching corresponding prompts.

    `prompts` are texts "x,y" or "x,y,z" in the moving image's world (mm, LPS; pixels where it has no
    spacing), see `promptreg.prompts.parse_prompts`; without any, they are drawn from its body. `config`
    gives the sections embed, search, marginalize and fit, and the `variant` of them that is run. Without one,
    regions guide and intensities refine ("promptreg_image", where the configuration has it); "promptreg" fits
    to the regions alone, as the paper does. `model` is a registered model, that of the variant if absent.

    Raises ValueError for images that are no pair, and for an unknown model or variant.

    >>> result = promptreg.register("moving.nii.gz", "fixed.nii.gz")  # doctest: +SKIP
    >>> result.ddf.displacement.shape  # doctest: +SKIP
    """
    images = [one if isinstance(one, Image) else read_image(one) for one in (moving, fixed)]
    check_alike(*images)
    whole = config if isinstance(config, Config) else load_file(config) if config else Config()
    settings = _settings(_variant(whole, variant), model, prompts)
    device = choose_device(settings.embed.device)
    pair = Pair(images[0], images[1], prealign(images[0], images[1], whole.prealign), "pair")
    on_device = replace(pair, moving=_to(pair.moving, device), fixed=_to(pair.fixed, device))
    with accepting(whole.accept_licences):
        network = find("model", settings.embed.model).load()()
    if settings.embed.compile:
        compile_encoder(network)
    return RegisteredPair(pair, register_pair(on_device, network, settings, seed=seed))


def save(result: RegisteredPair, out: str | Path) -> None:
    """Write everything that came of a registration into the folder `out`.

    `moved` and `roi{number}_moving`, `roi{number}_fixed` of accepted prompts as images (.png for pictures
    without a world, masks as 255; .nii.gz otherwise), `ddf.nii.gz` as an ITK displacement field (LPS, mm,
    fixed to moving), `disp.nii.gz` in Learn2Reg's voxel form, `prompts.csv`, and the pictures `prompts.png`,
    `overlay.png` and `methods.png`.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    pair, found = result.pair, result.registration.correspondences
    picture = pair.fixed.grid.ndim == 2 and pair.fixed.grid.unit == "px" and len(pair.moving.data) in (1, 3)
    suffix, foreground = (".png", 255) if picture else (".nii.gz", 1)
    moved = result.moved
    if picture:
        low, high = float(pair.moving.data.min()), float(pair.moving.data.max())
        moved = replace(moved, data=(moved.data - low) / (high - low) * 255)
    write_image(out / f"moved{suffix}", moved)
    write_itk(out / "ddf.nii.gz", result.ddf)
    write_learn2reg(out / "disp.nii.gz", result.ddf, pair.moving.grid)
    kept = [number for number, reason in enumerate(found.reasons) if not reason]
    for side, image in (("moving", pair.moving), ("fixed", pair.fixed)):
        masks, grid = getattr(found.rois, side), getattr(found.rois, f"{side}_grid")
        native = resample(masks.cpu(), grid, image.grid, padding="border") > 0.5
        for number in kept:
            write_labels(
                out / f"roi{number + 1:02d}_{side}{suffix}",
                native[number].numpy() * foreground,
                image.grid,
            )
    _write_prompts(out / "prompts.csv", result)
    pictures = {
        "prompts": prompts_and_rois(pair, found),
        "overlay": before_and_after(pair, result.ddf),
        "methods": methods_side_by_side(
            pair, {"before": affine_to_ddf(pair.prealignment, pair.fixed.grid), "promptreg": result.ddf}
        ),
    }
    for name, figure in pictures.items():
        with replacing(out / f"{name}.png") as path:
            path.write_bytes(encode(figure, "png"))


def apply(
    ddf: str | Path,
    out: str | Path,
    *,
    image: str | Path | None = None,
    labels: str | Path | None = None,
    points: str | Path | None = None,
    direction: str = "",
    moving: str | Path | None = None,
) -> None:
    """Apply a written field to one image or label map (moving to fixed grid), or to points.

    Points need a `direction`: "fixed-to-moving" follows the field, "moving-to-fixed" inverts it. Where
    the `moving` image does not lie on the fixed grid, give it too: pixel and voxel coordinates of its points
    are then counted on its own grid.
    """
    given = [one for one in (image, labels, points) if one is not None]
    if len(given) != 1:
        msg = f"give exactly one of image, labels and points; found {len(given)}"
        raise ValueError(msg)
    field = _read_field(Path(ddf))
    if points is not None:
        moving_grid = field.grid if moving is None else read_image(moving).grid
        _apply_to_points(field, Path(points), Path(out), direction, moving_grid=moving_grid)
        return
    if direction not in ("", BACKWARD):
        msg = f"images and labels only go {BACKWARD}, onto the fixed grid; found direction '{direction}'"
        raise ValueError(msg)
    if image is not None:
        source = read_image(image)
        write_image(out, Image(warp(source.data, source.grid, field, padding="border"), field.grid))
    elif labels is not None:
        source = read_image(labels)
        values = torch.from_numpy(read_labels(labels, source.grid)).float()
        moved = warp(values[None], source.grid, field, mode="nearest")[0]
        write_labels(out, moved.numpy().astype(np.int32), field.grid)


def _read_field(path: Path) -> Ddf:
    if not path.is_file():
        msg = f"{path}: no such file; expected the ddf.nii.gz that a registration wrote"
        raise FileNotFoundError(msg)
    try:
        return ddf_from_itk(sitk.ReadImage(str(path)))
    except (RuntimeError, ValueError) as error:
        msg = f"{path}: not an ITK displacement field: {str(error).strip().splitlines()[-1]}"
        raise ValueError(msg) from None


def _variant(config: Config, name: str | None) -> Variant:
    """The named variant, or the best known one of those that the configuration has."""
    if name is None:
        name = next((one for one in ("promptreg_image", "promptreg") if one in config.variants), None)
    if name is None:
        return Variant("promptreg", config.embed, config.search, config.marginalize, config.fit)
    if name not in config.variants:
        msg = f"unknown variant '{name}': the configuration has {', '.join(config.variants) or 'none'}"
        raise ConfigError(msg)
    return variant_of(config, name)


def _settings(base: Variant, model: str | None, prompts: Sequence[str]) -> Variant:
    chosen = find("model", model or base.embed.model).name
    placed = base.search.prompts.model_copy(update={"points": tuple(prompts)})
    return replace(
        base,
        embed=base.embed.model_copy(update={"model": chosen}),
        search=base.search.model_copy(update={"prompts": placed}),
    )


def _to(image: Image, device: torch.device) -> Image:
    return replace(image, data=image.data.to(device))


def _write_prompts(path: Path, result: RegisteredPair) -> None:
    """Write every point: prompt number, image, role, world coordinates, whether the pair was accepted."""
    found = result.registration.correspondences
    sides = (("moving", found.prompts.points, found.prompts.labels), ("fixed", found.points, found.labels))
    axes = "xyz"[: found.points.shape[-1]]
    rows = [
        (number + 1, image, place, _ROLES[label], *point, not reason, reason)
        for number, reason in enumerate(found.reasons)
        for image, points, labels in sides
        for place, (point, label) in enumerate(
            zip(points[number].tolist(), labels[number].tolist(), strict=True)
        )
        if label in _ROLES
    ]
    frame = pd.DataFrame(rows, columns=["prompt", "image", "point", "role", *axes, "accepted", "reason"])
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False, float_format="%.4f")


def _apply_to_points(field: Ddf, source: Path, out: Path, direction: str, *, moving_grid: Grid) -> None:
    if direction not in (FORWARD, BACKWARD):
        msg = f"points need --direction {FORWARD} or {BACKWARD}, found '{direction}'"
        raise ValueError(msg)
    forward = direction == FORWARD
    before, after = (field.grid, moving_grid) if forward else (moving_grid, field.grid)
    points = torch.from_numpy(read_landmarks(source, before)).double()
    moved = transform_points(field, points) if forward else inverse_transform_points(field, points)
    write_points(out, moved.numpy(), after)
