"""Published data sets as empty files under the names of the whole release: enough to plan a benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CHAOS = (1, 2, 3, 5, 8, 10, 13, 15, 19, 20, 21, 22, 31, 32, 33, 34, 36, 37, 38, 39)
FOLDS = ((7, 9, 20, 3, 15, 18), (10, 1, 13, 4, 11, 6, 16), (14, 8, 17, 5, 19, 12, 2))
PATCHES_OF_A_FOLD = 72


def write_stubs(root: Path, *, men: int = 576, cores: int = 134) -> None:
    """Write all data sets of config/benchmark.yaml and of its public stand-in below a root.

    The numbers of men and of tissue cores are those of the trial and of the record; of the latter only the
    number is known here, not the names.
    """
    makers = {
        "promis": promis(men),
        "promise12": promise12(),
        "chaos": chaos(),
        "lung2020": lung2020(),
        "tma_patches": tma_patches(cores),
        "zurich_patches": zurich_patches(),
    }
    for name, places in makers.items():
        folders = set()
        for place in places:
            path = root / name / place
            if path.parent not in folders:
                path.parent.mkdir(parents=True, exist_ok=True)
                folders.add(path.parent)
            path.touch()
    for header in (root / "promise12").glob("*.mhd"):
        matrix = 320 if int(header.name[4:6]) % 2 else 512
        header.write_text(f"DimSize = {matrix} {matrix} 24\nElementSpacing = 0.625 0.625 3.6\n")


def promis(men: int) -> Iterator[str]:
    """Names of scans and masks."""
    for n in range(men):
        for kind in ("scan", "mask"):
            yield f"prostate_mri/{kind}/p{n:04d}_study_0.nii.gz"


def promise12() -> Iterator[str]:
    """Names of headers."""
    for n in range(50):
        yield f"Case{n:02d}.mhd"
        yield f"Case{n:02d}_segmentation.mhd"


def chaos() -> Iterator[str]:
    """One slice and one PNG of every sequence."""
    for n in CHAOS:
        for place in ("T2SPIR/DICOM_anon", "T1DUAL/DICOM_anon/InPhase", "T1DUAL/DICOM_anon/OutPhase"):
            yield f"Train_Sets/MR/{n}/{place}/IMG-0001-00001.dcm"
        for sequence in ("T2SPIR", "T1DUAL"):
            yield f"Train_Sets/MR/{n}/{sequence}/Ground/IMG-0001-00001.png"


def lung2020() -> Iterator[str]:
    """Names of scans, masks and keypoints."""
    for n in range(1, 21):
        yield f"keypoints/case_{n:03d}.csv"
        for breath in ("insp", "exp"):
            yield f"training/scans/case_{n:03d}_{breath}.nii.gz"
            yield f"training/lungMasks/case_{n:03d}_{breath}.nii.gz"


def tma_patches(cores: int) -> Iterator[str]:
    """Names of patches of both modalities at all levels."""
    for level in range(1, 5):
        part = f"Eliceiri_patches/patch_tlevel{level}"
        yield f"{part}/info_test.csv"
        for letter in "AB":
            for n in range(cores):
                for which in "RT":
                    yield f"{part}/{letter}/test/1B_{chr(65 + n // 12)}{1 + n % 12}_{which}.tif"


def zurich_patches() -> Iterator[str]:
    """Names of patches of both modalities at all levels, 72 a fold, and of all class maps."""
    for number in range(1, 21):
        yield f"Zurich_dataset_v1.0/groundtruth/zh{number}_GT.tif"
    for fold, ids in enumerate(FOLDS, start=1):
        patches = [f"zh{ids[n % len(ids)]}_{1 + n // len(ids):02d}_01" for n in range(PATCHES_OF_A_FOLD)]
        for level in range(1, 5):
            part = f"Zurich_patches/fold{fold}/patch_tlevel{level}"
            yield f"{part}/info_test.csv"
            for letter in "AB":
                for patch in patches:
                    for which in "RT":
                        yield f"{part}/{letter}/test/{patch}_{which}.png"
