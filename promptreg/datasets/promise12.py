"""PROMISE12: T2-weighted prostate MR of several sites, `CaseNN.mhd` with `CaseNN_segmentation.mhd`.

No file says from which site a case is, with an endorectal coil or without. Cases of one protocol (equal
matrix and equal voxels, as their headers say) are of one site, so pairs stay within a protocol.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import ClassVar

from promptreg.datasets.base import PairSpec
from promptreg.datasets.folder import Folder
from promptreg.datasets.pairing import Scan, between

CASE = re.compile(r"Case(\d+)\.mhd")
SOURCE = "PROMISE12"


class Promise12(Folder):
    """Pairs of cases of one protocol, onto the first of it."""

    reader = "promise12"
    layout = "a folder, at any depth, with CaseNN.mhd, CaseNN.raw and CaseNN_segmentation.mhd"
    names: ClassVar = {1: "prostate gland"}

    def pairs(self) -> list[PairSpec]:
        """List the pairs, the protocol of the first case first."""
        protocols: dict[tuple[float, ...], list[Scan]] = {}
        for image, place in self.images.items():
            scan = Scan(f"promise12-{image}", image, place.removesuffix(".mhd") + "_segmentation.mhd")
            protocols.setdefault(protocol(self.root / place), []).append(scan)
        listed = chain.from_iterable(
            between(scans, group="between subjects", source=SOURCE) for scans in protocols.values()
        )
        pairs = list(listed)
        if not pairs:
            raise self.nothing()
        return pairs

    @cached_property
    def images(self) -> dict[str, str]:
        """Places of the cases that have a segmentation; those of the challenge's test had none."""
        cases = sorted(self.root.rglob("Case*.mhd"), key=lambda file: file.name)
        return {
            f"case{match[1]}": self.relative(file)
            for file in cases
            if (match := CASE.fullmatch(file.name))
            and file.with_name(f"{file.stem}_segmentation.mhd").is_file()
        }


def protocol(header: Path) -> tuple[float, ...]:
    """Return columns, rows and voxel size (mm, rounded to 0.01) of a MetaImage header.

    Raises:
        ValueError: the header does not state them; names the file.
    """
    text = header.read_text(encoding="latin-1")
    fields = dict(re.findall(r"^\s*(\w+)\s*=\s*(.*?)\s*$", text, flags=re.MULTILINE))
    try:
        columns, rows, _ = (int(one) for one in fields["DimSize"].split())
        spacing = [round(float(one), 2) for one in fields["ElementSpacing"].split()]
    except (KeyError, ValueError):
        msg = f"{header}: no header of a volume; expected three numbers in DimSize and in ElementSpacing"
        raise ValueError(msg) from None
    return (columns, rows, *spacing)
