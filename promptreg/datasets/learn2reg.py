"""The tasks of Learn2Reg since 2021, by the JSON file that comes with each.

    <Task>_dataset.json    imagesTr/<Task>_NNNN_MMMM.nii.gz    labelsTr/ masksTr/ landmarksTr/ keypointsTr/

Pairs are those of the keys `training_paired_images` and `registration_val`; without the former, training
images are paired with each other. Pairs of the test are listed only where something can be measured on
them. Labels are `labels*`; lungs, which have none, take their masks, split into right and left. Points are
the manual `landmarks*`, or else automatic `keypoints*`: i, j, k in voxels of each image. Some JSON files
name tables of points with the ending `.nii.gz`, so places are made from the names of images alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from promptreg.datasets.base import PairSpec
from promptreg.datasets.folder import Folder
from promptreg.datasets.lungs import NAMES, left_and_right
from promptreg.datasets.pairing import Scan, between, pair
from promptreg.datasets.voxelpoints import read_voxel_points

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid

KEYS = {"training_paired_images": "training", "registration_val": "validation", "registration_test": "test"}
OF_LUNGS = ("LungCT", "NLST")
DRAWN_FROM = {"AbdomenCTCT": "BTCV", "HippocampusMR": "MSD"}
"""Public data sets that tasks took their images from, by which networks name what they have seen."""
POINTS = ("landmarks", "keypoints")


class Learn2Reg(Folder):
    """The pairs of one task; the group is the part of the challenge, and whether points are manual."""

    reader = "learn2reg"
    layout = "the unpacked archive of one task, <Task>_dataset.json beside imagesTr/"

    def pairs(self) -> list[PairSpec]:
        """List the pairs, training first; a pair of the validation is not also one of the training."""
        listed = {one.pair: one for key, group in KEYS.items() for one in self._stated(key, group)}
        if not self._entries("training_paired_images"):
            for one in self._unpaired():
                listed.setdefault(one.pair, one)
        if not listed:
            msg = f"{self.json_file}: no pairs; expected a list under {' or '.join(KEYS)}, or under training"
            raise ValueError(msg)
        return sorted(listed.values(), key=lambda one: list(KEYS.values()).index(one.group.partition(",")[0]))

    @cached_property
    def json_file(self) -> Path:
        """The one JSON file of the task."""
        files = sorted([*self.root.glob("*_dataset.json"), *self.root.glob("*/*_dataset.json")])
        if not files:
            raise self.nothing()
        if len(files) > 1:
            msg = f"{self.root}: {len(files)} tasks, such as {files[1].name}; set `path` to the folder of one"
            raise ValueError(msg)
        return files[0]

    @cached_property
    def task(self) -> str:
        """Name of the task."""
        return self.json_file.name.removesuffix("_dataset.json")

    @cached_property
    def images(self) -> dict[str, str]:
        """Places of all images that the JSON file names."""
        named = [entry[side] for key in KEYS for entry in self._entries(key) for side in ("moving", "fixed")]
        named += [entry["image"] for entry in self._entries("training")]
        folder = self.json_file.parent
        return {_stem(text): self.relative(folder / PurePosixPath(text)) for text in dict.fromkeys(named)}

    def labels(self, reference: str, grid: Grid) -> np.ndarray:
        """Read a label map, or a mask of lungs as right (1) and left (2)."""
        labels = super().labels(reference, grid)
        return left_and_right(labels, grid) if self._is_lung_mask(reference) else labels

    def landmarks(self, reference: str, grid: Grid) -> np.ndarray:
        """Read landmarks or keypoints of one image."""
        return read_voxel_points(self.root / reference, grid)

    def label_names(self, pair: str) -> dict[int, str]:
        """Return the names that the JSON file gives, and those of split lungs."""
        if self.task in OF_LUNGS:
            return dict(NAMES)
        stated = self._json.get("labels", {})
        flat = stated | next((one for one in stated.values() if isinstance(one, dict)), {})
        return {int(key): name for key, name in flat.items() if isinstance(name, str) and int(key) > 0}

    @cached_property
    def _json(self) -> dict[str, Any]:
        file = self.json_file
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            msg = f"{file}: not JSON: {error}"
            raise ValueError(msg) from None
        return found if isinstance(found, dict) else {}

    def _entries(self, key: str) -> list[dict[str, str]]:
        """The entries of a list of the JSON file; ValueError if one does not name its images."""
        wanted = {"image"} if key == "training" else {"moving", "fixed"}
        entries = self._json.get(key) or []
        for n, entry in enumerate(entries):
            if not isinstance(entry, dict) or not wanted <= set(entry):
                msg = f"{self.json_file}: entry {n} of '{key}' is {entry!r}; expected {', '.join(wanted)}"
                raise ValueError(msg)
        return entries

    @property
    def source(self) -> str:
        """Name of the data set that the images come from."""
        return DRAWN_FROM.get(self.task, self.task)

    def _stated(self, key: str, group: str) -> Iterator[PairSpec]:
        for entry in self._entries(key):
            moving, fixed = _stem(entry["moving"]), _stem(entry["fixed"])
            kind, points = self._points(moving, fixed)
            scans = [self._scan(image, points.get(image, "")) for image in (moving, fixed)]
            if group != "test" or points or all(scan.labels for scan in scans):
                manual = {"landmarks": ", manual landmarks"}.get(kind, "")
                yield pair(*scans, group=f"{group}{manual}", source=self.source)

    def _unpaired(self) -> Iterator[PairSpec]:
        """Training images of all subjects, the validation's left out, paired with each other."""
        spared = {_stem(entry[side]) for entry in self._entries("registration_val") for side in entry}
        images = [_stem(entry["image"]) for entry in self._entries("training")]
        scans = {scan.subject: scan for scan in (self._scan(one, "") for one in images if one not in spared)}
        yield from between(list(scans.values()), group="training", source=self.source)

    def _scan(self, image: str, points: str) -> Scan:
        task, _, subject = image.rpartition("_")[0].rpartition("_")
        kinds = ("labels", "masks") if self.task in OF_LUNGS else ("labels",)
        options = [self._beside(image, kind, ".nii.gz") for kind in kinds]
        labels = next((one for one in options if (self.root / one).is_file()), "")
        return Scan(f"{task.lower()}-{subject}", image, labels, points)

    def _points(self, moving: str, fixed: str) -> tuple[str, dict[str, str]]:
        """The best kind of points that both images of a pair have, and where; "" and nothing if none."""
        folder = self.root / self.images[fixed]
        present = sorted(one.name[:-2] for one in folder.parents[1].iterdir() if one.name.startswith(POINTS))
        for kind in sorted(present, key=lambda one: not one.startswith(POINTS[0])):
            places = {image: self._beside(image, kind, ".csv") for image in (moving, fixed)}
            if all((self.root / place).is_file() for place in places.values()):
                return kind, places
        return "", {}

    def _beside(self, image: str, kind: str, suffix: str) -> str:
        """Place of an annotation of an image: imagesTr/A.nii.gz has labelsTr/A.nii.gz beside it."""
        place = PurePosixPath(self.images[image])
        return (place.parents[1] / f"{kind}{place.parent.name[-2:]}" / f"{image}{suffix}").as_posix()

    def _is_lung_mask(self, reference: str) -> bool:
        return self.task in OF_LUNGS and PurePosixPath(reference).parent.name.startswith("masks")


def _stem(text: str) -> str:
    return PurePosixPath(text).name.removesuffix(".nii.gz")
