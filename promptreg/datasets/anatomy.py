"""Three anatomical templates made of simple solids: an abdomen, a pelvis and a thorax.

A solid is a function from points (N, 3) to a signed distance (N,) in mm, negative inside, near enough for
boundaries a few millimetres soft. Coordinates are the home frame of a template: its middle at the origin,
x to the patient's left, y posterior, z superior (LPS), in mm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Solid = Callable[[np.ndarray], np.ndarray]
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Organ:
    """A solid with its mean `intensity`, its label (0: not annotated) and the strength of its `texture`."""

    name: str
    solid: Solid
    intensity: float
    label: int = 0
    texture: float = 0.06


@dataclass(frozen=True)
class Template:
    """Organs in painter's order: a later one lies in front of, or nested in, the earlier ones.

    `box_mm` is half the size of the region that the template fills; intensities are read as
    `offset` + `scale` x intensity; `bias` is the strength of the receive field (MR).
    """

    organs: tuple[Organ, ...]
    box_mm: Triple
    scale: float
    offset: float = 0.0
    bias: float = 0.25

    @property
    def label_names(self) -> dict[int, str]:
        """Names of the annotated organs by label."""
        return {organ.label: organ.name for organ in reversed(self.organs) if organ.label}


def ellipsoid(center: Triple, radii: Triple, tilt_deg: float = 0.0) -> Solid:
    """Return an ellipsoid, turned by `tilt_deg` about z."""
    cos, sin = np.cos(np.deg2rad(tilt_deg)), np.sin(np.deg2rad(tilt_deg))
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]], dtype=np.float32)

    middle, axes = np.array(center, dtype=np.float32), np.array(radii, dtype=np.float32)

    def distance(points: np.ndarray) -> np.ndarray:
        local = (points - middle) @ turn.T
        once = np.linalg.norm(local / axes, axis=1)
        twice = np.linalg.norm(local / axes**2, axis=1)
        return once * (once - 1) / np.maximum(twice, 1e-6)

    return distance


def column(center: tuple[float, float], radii: tuple[float, float]) -> Solid:
    """Return an endless elliptic cylinder along z."""
    return ellipsoid((*center, 0.0), (*radii, 1e5))


def tube(path: Sequence[Triple], radius: float) -> Solid:
    """Return the points within `radius` of a polyline."""
    knots = np.asarray(path, dtype=np.float32)

    def distance(points: np.ndarray) -> np.ndarray:
        nearest = np.full(len(points), np.inf, dtype=np.float32)
        for start, step in zip(knots, np.diff(knots, axis=0), strict=False):
            along = np.clip((points - start) @ step / (step @ step), 0, 1)
            nearest = np.minimum(nearest, np.linalg.norm(points - start - along[:, None] * step, axis=1))
        return nearest - radius

    return distance


def rings(radii: tuple[float, float], pitch: float, slope: float, thickness: float) -> Solid:
    """Return rib-like elliptic rings around z, one every `pitch` mm, sinking by `slope` towards the front."""

    def distance(points: np.ndarray) -> np.ndarray:
        x, y, z = points.T
        radial = (np.hypot(x / radii[0], y / radii[1]) - 1) * np.mean(radii)
        axial = np.mod(z - slope * y + pitch / 2, pitch) - pitch / 2
        return np.hypot(radial, axial) - thickness

    return distance


def above(height: float, dome_mm: float, width: float) -> Solid:
    """Return everything above a diaphragm: domes `dome_mm` high under each lung, `width` off the midline."""

    def distance(points: np.ndarray) -> np.ndarray:
        x, y, z = points.T
        return height + dome_mm * np.exp(-(((np.abs(x) - width) / 45) ** 2) - (y / 60) ** 2) - z

    return distance


def union(*solids: Solid) -> Solid:
    """Return the points inside any of the solids."""
    return lambda points: np.min([solid(points) for solid in solids], axis=0)


def common(*solids: Solid) -> Solid:
    """Return the points inside all of the solids."""
    return lambda points: np.max([solid(points) for solid in solids], axis=0)


def abdomen() -> Template:
    """Return an upper abdomen in the contrast of a fat-suppressed T2-weighted MR image."""
    liver = union(ellipsoid((-66, -4, 22), (62, 66, 66), 15), ellipsoid((6, -44, 44), (58, 26, 30), -12))
    bowel = union(
        tube([(80, -30, -70), (20, -52, -62), (-40, -40, -78), (-85, -20, -60)], 17),
        tube([(70, 5, -95), (25, -20, -88), (-25, -15, -100), (-75, 10, -95)], 15),
    )
    organs = (
        Organ("subcutaneous fat", column((0, 0), (158, 112)), 0.22),
        Organ("muscle", column((0, 2), (143, 97)), 0.32),
        Organ("mesentery", column((0, -8), (128, 80)), 0.14),
        Organ("back muscle", union(column((-42, 72), (30, 20)), column((42, 72), (30, 20))), 0.34),
        Organ("bowel", bowel, 0.62, texture=0.15),
        Organ("liver", liver, 0.5, label=1),
        Organ("hepatic veins", tube([(-95, 10, 10), (-55, 8, 40), (-26, 14, 56)], 5), 0.9, label=1),
        Organ("gallbladder", ellipsoid((-38, -44, -16), (13, 20, 20), 20), 1.0),
        Organ("stomach", ellipsoid((56, -30, 38), (36, 34, 42), -25), 0.72, texture=0.15),
        Organ("spleen", ellipsoid((98, 26, 36), (22, 40, 44), -25), 0.68, label=4),
        Organ("right kidney", ellipsoid((-60, 40, -38), (24, 29, 50), 25), 0.82, label=2),
        Organ("right renal pelvis", ellipsoid((-50, 34, -38), (9, 11, 26), 25), 0.55, label=2),
        Organ("left kidney", ellipsoid((60, 42, -18), (23, 28, 50), -25), 0.82, label=3),
        Organ("left renal pelvis", ellipsoid((50, 36, -18), (9, 11, 26), -25), 0.55, label=3),
        Organ("vertebrae", tube([(0, 50, -140), (0, 44, 0), (0, 52, 140)], 23), 0.28, label=6, texture=0.1),
        Organ("spinal canal", tube([(0, 78, -140), (0, 74, 0), (0, 80, 140)], 9), 0.95),
        Organ("vena cava", tube([(-22, 18, -140), (-20, 14, 0), (-18, 10, 140)], 11), 0.12),
        Organ("aorta", tube([(8, 20, -140), (16, 14, 0), (10, 22, 140)], 12), 0.05, label=5),
    )
    return Template(organs, box_mm=(165, 165, 125), scale=1000)


def pelvis() -> Template:
    """Return a male pelvis in the contrast of a T2-weighted MR image."""
    heads = [ellipsoid((side * 76, -12, 12), (23, 23, 23)) for side in (-1, 1)]
    sockets = union(*(ellipsoid((side * 76, -12, 12), (33, 32, 34)) for side in (-1, 1)))
    pubis = union(*(tube([(side * 8, -58, -22), (side * 60, -38, 0)], 10) for side in (-1, 1)))
    obturators = union(*(ellipsoid((side * 46, -6, -14), (10, 34, 44), side * 12) for side in (-1, 1)))
    gluteals = union(*(ellipsoid((side * 62, 62, 10), (42, 24, 80), side * 20) for side in (-1, 1)))
    levators = union(*(tube([(side * 30, 8, 18), (side * 20, 28, -28), (0, 40, -48)], 5) for side in (-1, 1)))
    bowel_path: list[Triple] = [(0, 26, -60), (0, 34, -20), (5, 38, 10), (-8, 52, 36), (4, 44, 62)]
    organs = (
        Organ("fat", column((0, 0), (170, 100)), 0.6),
        Organ("gluteal muscle", gluteals, 0.22),
        Organ("obturator muscle", obturators, 0.2),
        Organ("acetabulum", union(sockets, pubis), 0.12),
        Organ("right femoral head", heads[0], 0.55, label=5),
        Organ("left femoral head", heads[1], 0.55, label=6),
        Organ("sacrum", tube([(0, 84, 60), (0, 82, 20), (0, 66, -12)], 13), 0.4, texture=0.12),
        Organ("levator ani", levators, 0.18),
        Organ("rectum", tube(bowel_path, 15), 0.3, label=4),
        Organ("rectal lumen", tube(bowel_path, 8), 0.04, label=4, texture=0.02),
        Organ("bladder wall", ellipsoid((0, -30, 36), (37, 28, 26)), 0.25, label=3),
        Organ("bladder", ellipsoid((0, -30, 36), (32, 23, 21)), 1.0, label=3, texture=0.02),
        Organ("prostate", ellipsoid((0, -2, -10), (28, 20, 24)), 0.95, label=1),
        Organ("transition zone", ellipsoid((0, -7, -7), (19, 13, 17)), 0.42, label=2, texture=0.1),
    )
    return Template(organs, box_mm=(95, 95, 55), scale=600, bias=0.35)


def thorax() -> Template:
    """Return a chest in the contrast of CT."""
    over_diaphragm = above(-88, 34, 68)
    branches = (((-20, 30), (-35, 60)), ((10, 5), (25, -5)), ((-5, -30), (15, -60)), ((20, 40), (40, 70)))
    arch = [(2, -18, -20), (-8, -26, 30), (8, -5, 52), (20, 28, 40), (22, 40, -30), (18, 44, -170)]
    airways: list[Triple] = [(0, 4, 170), (0, 8, 60), (0, 8, 25)]
    bronchi = [tube([(0, 8, 25), (side * 26, 4, 5)], 7) for side in (-1, 1)]
    lungs = {side: common(ellipsoid((side * 70, 2, -10), (58, 82, 140)), over_diaphragm) for side in (-1, 1)}
    vessels = {
        side: [tube([(side * 22, -4, 0), (side * 55, *a), (side * 88, *b)], 4.5) for a, b in branches]
        for side in (-1, 1)
    }
    organs = (
        Organ("fat", column((0, 0), (152, 112)), 0.9, texture=0.02),
        Organ("muscle", column((0, 0), (142, 102)), 1.05, texture=0.02),
        Organ("ribs", rings((134, 95), 34, 0.35, 5.5), 1.45),
        Organ("right lung", lungs[-1], 0.15, label=1, texture=0.03),
        Organ("left lung", lungs[1], 0.15, label=2, texture=0.03),
        Organ("right lung vessels", common(union(*vessels[-1]), lungs[-1]), 1.0, label=1),
        Organ("left lung vessels", common(union(*vessels[1]), lungs[1]), 1.0, label=2),
        Organ("mediastinum", ellipsoid((0, 0, 30), (26, 45, 110)), 0.95, texture=0.02),
        Organ("heart", common(ellipsoid((24, -28, -42), (54, 42, 50), 25), over_diaphragm), 1.12, label=3),
        Organ("vertebrae", tube([(0, 62, -170), (0, 68, 0), (0, 58, 170)], 21), 1.35, label=6, texture=0.08),
        Organ("aorta", tube(arch, 13), 1.25, label=4, texture=0.02),
        Organ("trachea", union(tube(airways, 9), *bronchi), 0.02, label=5, texture=0),
    )
    return Template(organs, box_mm=(155, 155, 155), scale=1000, offset=-1000, bias=0)
