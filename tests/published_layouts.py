"""Small data sets on disk in the layouts, and with the quirks, of the published ones.

`WRITERS` has one for every reader of a folder; each writes into an empty folder that the reader then opens.
"""

from __future__ import annotations

import csv
import json
import locale
from pathlib import Path

import numpy as np
import PIL.Image
import SimpleITK
import tifffile
from scipy import ndimage

ORGAN_GREYS = {1: 63, 2: 126, 3: 189, 4: 252}
BACKGROUND, BUILDING, TREES, WATER = (255, 255, 255), (100, 100, 100), (0, 125, 0), (0, 0, 150)
ROAD = (0, 0, 0)


def texture(shape: tuple[int, ...], seed: int, smooth: float = 1.5) -> np.ndarray:
    """Smooth noise of about mean 100 and deviation 30."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), smooth)
    return 100 + 30 * noise / noise.std()


def ball(shape: tuple[int, ...], shift: float = 0.0) -> np.ndarray:
    """An ellipsoid, or an ellipse, in the middle of an array."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return sum((axis - shift) ** 2 for axis in axes) < 0.3


def write_volume(
    path: Path,
    values: np.ndarray,
    spacing: tuple[float, float, float] = (1.0, 1.0, 2.0),
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    direction: np.ndarray | None = None,
) -> None:
    """Write values (Z, Y, X); spacing, origin and direction are x, y, z in LPS."""
    image = SimpleITK.GetImageFromArray(values)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection((np.eye(3) if direction is None else direction).ravel().tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path))


def write_picture(path: Path, values: np.ndarray) -> None:
    """Write (Y, X) or (Y, X, 3) values of 8 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(values).save(path)


def write_points(path: Path, points: np.ndarray) -> None:
    """Write a table without a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, points, fmt="%.3f", delimiter=",")


def write_promis(folder: Path) -> None:
    """Three subjects, one of them scanned twice; masks are float32, and one is absent."""
    for n, name in enumerate(("p10_study_0", "p10_study_1", "p7_study_0", "p8_study_0")):
        scan, mask = (folder / "prostate_mri" / kind / f"{name}.nii.gz" for kind in ("scan", "mask"))
        values = texture((6, 9, 10), n) + 80 * ball((6, 9, 10))
        write_volume(scan, values.astype(np.float32), (0.5, 0.5, 1.0))
        if name != "p8_study_0":
            write_volume(mask, ball((6, 9, 10), 0.1 * n).astype(np.float32), (0.5, 0.5, 1.0))


def write_promise12(folder: Path) -> None:
    """Cases of two protocols in two parts of the archive, and one of the test without a segmentation."""
    columns = {0: 10, 1: 12, 2: 10, 3: 10}
    for case, width in columns.items():
        place = folder / f"TrainingData_Part{1 + case // 2}" / f"Case{case:02d}"
        shape, spacing = (5, 9, width), (0.625, 0.625, 3.6)
        write_volume(place.with_suffix(".mhd"), texture(shape, case).astype(np.int16), spacing)
        if case != 3:
            mask = ball(shape).astype(np.int8)
            write_volume(place.with_name(f"{place.name}_segmentation.mhd"), mask, spacing)


def write_picai(folder: Path) -> None:
    """Two patients, one with two studies, on oblique grids; glands of all, zones of one study of each."""
    turn = np.deg2rad(18.5)
    tilt = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    labels = folder / "picai_labels" / "anatomical_delineations"
    shape, spacing = (5, 9, 10), (0.5, 0.5, 3.0)
    for n, name in enumerate(("10795_1000811", "9999_1000001", "9999_1000002")):
        scan = folder / "images" / name.partition("_")[0] / f"{name}_t2w.mha"
        write_volume(scan, texture(shape, n).astype(np.int16), spacing, (5, -40.0, 7 * n), tilt)
        write_volume(scan.with_name(f"{name}_adc.mha"), texture(shape, n).astype(np.int16), spacing)
        gland = ball(shape).astype(np.uint8)
        zones = gland * (1 + (np.arange(10) > 4)).astype(np.uint8)
        place = (spacing, (5, -40.0, 7 * n), tilt)
        write_volume(labels / "whole_gland" / "AI" / "Bosma22b" / f"{name}.nii.gz", gland, *place)
        if n != 2:
            write_volume(labels / "zonal_pz_tz" / "AI" / "HeviAI23" / f"{name}.nii.gz", zones, *place)


def chaos_labels(n_slices: int, subject: int) -> np.ndarray:
    """Labels (Z, Y, X) of a small abdomen; subject 10 has no spleen."""
    labels = np.zeros((n_slices, 12, 14), dtype=np.uint8)
    labels[1:, 2:6, 1:6] = 1
    labels[:-1, 8:10, 2:4] = 2
    labels[:-1, 8:10, 9:11] = 3
    if subject != 10:
        labels[2:, 3:6, 10:13] = 4
    return labels


def write_dicom(path: Path, values: np.ndarray, origin: tuple[float, float, float], instance: int) -> None:
    """Write a slice (Y, X) int16 that lies axially at an origin in mm, 1.5 mm pixels, LPS."""
    image = SimpleITK.GetImageFromArray(values[None].astype(np.int16))
    image.SetSpacing((1.5, 1.5, 7.7))
    image.SetOrigin(origin)
    for key, value in {
        "0008|0060": "MR",
        "0020|0013": str(instance),
        "0020|0032": "\\".join(map(str, origin)),
        "0020|0037": "1\\0\\0\\0\\1\\0",
    }.items():
        image.SetMetaData(key, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    # GDCM leaves the process in the locale "C".
    before = locale.setlocale(locale.LC_ALL)
    SimpleITK.WriteImage(image, str(path))
    locale.setlocale(locale.LC_ALL, before)


def write_chaos(folder: Path) -> None:
    """Two subjects, and one of the test without labels, in folders that sort otherwise as text.

    Numbers in names are not padded, and grow towards the feet, against the axis of the patient; both phases
    of T1 share their PNG under the names of neither; PNG of organs deviate from their usual grey.
    """
    sequences = {
        "T2SPIR/DICOM_anon": ("T2SPIR/Ground", 11, 0),
        "T1DUAL/DICOM_anon/InPhase": ("T1DUAL/Ground", 10, 1),
        "T1DUAL/DICOM_anon/OutPhase": ("T1DUAL/Ground", 10, 2),
    }
    for subject in (2, 10, 40):
        for dicom, (ground, n_slices, seed) in sequences.items():
            base = folder / ("Train_Sets" if subject < 40 else "Test_Sets") / "MR" / str(subject)
            labels = chaos_labels(n_slices, subject)
            values = texture(labels.shape, 10 * subject + seed) + 100 * (labels > 0)
            for z in range(n_slices):
                number = n_slices - z
                place = (-10.0 + subject, 5.0, 100.0 + 7.7 * z)
                write_dicom(base / dicom / f"IMG-0004-{number}.dcm", values[z], place, 200 - number)
                greys = np.array([0, *ORGAN_GREYS.values()], dtype=np.uint8)[labels[z]]
                greys += (labels[z] == 1).astype(np.uint8)
                if subject < 40:
                    write_picture(base / ground / f"IMG-0002-{2 * number:05d}.png", greys)


def write_chaos_nifti(folder: Path) -> None:
    """Three subjects in one folder of the repack; labels are float64, the last has none."""
    for subject in (2, 10, 31):
        place = folder / "chaos_MR_T2_normalized"
        labels = chaos_labels(6, subject)
        values = texture(labels.shape, subject) + 100 * (labels > 0)
        options = ((1.25, 1.25, 7.7), (0, 0, 30.0 * subject), np.diag([1.0, -1.0, 1.0]))
        write_volume(place / f"image_{subject}.nii.gz", values.astype(np.float64), *options)
        if subject != 31:
            write_volume(place / f"label_{subject}.nii.gz", labels.astype(np.float64), *options)


LUNG_SHAPE = (8, 10, 18)
LUNG_SPACING = (1.75, 1.25, 1.75)


def lungs(breath: str) -> tuple[np.ndarray, np.ndarray]:
    """CT and mask (Z, Y, X) of two lungs that touch, the first 18 cells from right to left of the patient."""
    z, y, x = np.meshgrid(*(np.arange(n) for n in LUNG_SHAPE), indexing="ij")
    deep = 1 if breath == "insp" else 3
    right = (np.abs(x - 4) < 4) & (np.abs(y - 5) < 4) & (z >= deep)
    left = (np.abs(x - 12.5) < 4) & (np.abs(y - 5) < 4) & (z >= deep)
    bridge = (np.abs(x - 8) < 2) & (y == 2) & (z == 5)
    mask = (right | left | bridge).astype(np.uint8)
    return np.where(mask > 0, -800.0, 20.0) + texture(LUNG_SHAPE, len(breath)), mask


def lung_points() -> np.ndarray:
    """Keypoints i, j, k of expiration and of inspiration, (N, 6)."""
    return np.array([[3, 5, 4, 3, 5, 3.5], [12, 4, 5, 12.5, 4, 4], [5, 6, 6, 5, 6, 5.25]], dtype=float)


def write_lung2020(folder: Path) -> None:
    """Two cases as first released: LPS grids whose origins differ a little, keypoints of one."""
    for case in (1, 2):
        for breath in ("insp", "exp"):
            scan, mask = lungs(breath)
            options = (LUNG_SPACING, (0.5 * case if breath == "insp" else 0.0, -4.0, 2.0))
            name = f"case_{case:03d}_{breath}.nii.gz"
            write_volume(folder / "training" / "scans" / name, scan.astype(np.float32), *options)
            write_volume(folder / "training" / "lungMasks" / name, mask, *options)
    write_points(folder / "keypoints" / "case_001.csv", lung_points())


def write_learn2reg(folder: Path) -> None:
    """Lung CT of 2021: axes 0 and 1 flipped, headers of bare spacing (RAS), the first pair with landmarks.

    The JSON names tables of points as images, and lists the validation among the training too.
    """
    base = folder / "LungCT"
    ras = np.diag([-1.0, -1.0, 1.0])
    entries = []
    for case in (1, 2, 21):
        part = "Tr" if case < 21 else "Ts"
        names = {breath: f"LungCT_{case:04d}_{n:04d}" for n, breath in enumerate(("exp", "insp"))}
        for breath, name in names.items():
            scan, mask = (one[:, ::-1, ::-1] for one in lungs(breath))
            options = (LUNG_SPACING, (0.0, 0.0, 0.0), ras)
            write_volume(base / f"images{part}" / f"{name}.nii.gz", scan.astype(np.float32), *options)
            if case < 21:
                write_volume(base / f"masks{part}" / f"{name}.nii.gz", mask, *options)
                points = lung_points()[:, :3] if breath == "exp" else lung_points()[:, 3:]
                points = [LUNG_SHAPE[2] - 1, LUNG_SHAPE[1] - 1, 0] + points * [-1, -1, 1]
                write_points(base / f"keypoints{part}" / f"{name}.csv", points)
                if case == 1:
                    write_points(base / f"landmarks{part}" / f"{name}.csv", points[:2])
        entries.append({side: f"./images{part}/{names[breath]}.nii.gz" for side, breath in SIDES.items()})
    stated = {
        "name": "LungCT",
        "tensorImageShape": {"0": LUNG_SHAPE[::-1]},
        "labels": {},
        "training": [{"image": entries[0]["fixed"], "keypoints": "./keypointsTr/LungCT_0001_0000.nii.gz"}],
        "training_paired_images": entries[:2],
        "registration_val": entries[:1],
        "registration_test": entries[2:],
    }
    (base / "LungCT_dataset.json").write_text(json.dumps(stated))


SIDES = {"fixed": "exp", "moving": "insp"}


def write_learn2reg_unpaired(folder: Path) -> None:
    """A task between subjects, with label maps, names of labels, and no pairs for training."""
    names = [f"HippocampusMR_{n:04d}_0000" for n in (1, 2, 3, 201, 202)]
    for n, name in enumerate(names):
        values = texture((5, 6, 7), n).astype(np.float32)
        write_volume(folder / "imagesTr" / f"{name}.nii.gz", values)
        write_volume(folder / "labelsTr" / f"{name}.nii.gz", ball((5, 6, 7)).astype(np.uint8))
    files = [f"./imagesTr/{name}.nii.gz" for name in names]
    stated = {
        "name": "HippocampusMR",
        "labels": {"0": {"0": "background", "1": "anterior", "2": "posterior"}},
        "training": [{"image": file} for file in files],
        "registration_val": [{"fixed": files[3], "moving": files[4]}],
    }
    (folder / "HippocampusMR_dataset.json").write_text(json.dumps(stated))


def rigid(side: int, shift: tuple[float, float], degrees: float) -> np.ndarray:
    """The map (3, 3) from pixels x, y of T to R: a shift, then a rotation about the middle of the patch."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    middle = side / 2 - 0.5
    centred, back, moved = np.eye(3), np.eye(3), np.eye(3)
    centred[:2, 2], back[:2, 2], moved[:2, 2] = -middle, middle, shift
    return back @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ centred @ moved


def seen_through(picture: np.ndarray, motion: np.ndarray, order: int = 1) -> np.ndarray:
    """T (Y, X[, C]) of R under a map from T to R, R continued by its mirror image."""
    flip = np.eye(3)[[1, 0, 2]]
    matrix = flip @ motion @ flip
    if picture.ndim == 3:
        return np.stack([seen_through(one, motion, order) for one in np.moveaxis(picture, -1, 0)], axis=-1)
    return ndimage.affine_transform(
        picture.astype(float), matrix[:2, :2], matrix[:2, 2], order=order, mode="mirror"
    )


def write_motions(path: Path, side: int, motions: dict[str, np.ndarray]) -> None:
    """Write the table of a folder of patches, its unused columns empty."""
    corners = np.array([[0, 0], [0, side], [side, side], [side, 0]], dtype=float)
    columns = ["Filename", "ReferenceImage", "Method"]
    columns += [
        f"{axis}{n}_{which}" for which in ("Ref", "Trans", "Recover") for n in range(1, 5) for axis in "XY"
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        for name, motion in motions.items():
            row: dict[str, object] = {"Filename": name}
            there = corners @ motion[:2, :2].T + motion[:2, 2]
            for which, points in (("Ref", corners), ("Trans", there)):
                for n, point in enumerate(points, start=1):
                    row |= {f"{axis}{n}_{which}": value for axis, value in zip("XY", point, strict=True)}
            writer.writerow(row)


TMA_SIDE = 64
TMA_MOTION = rigid(TMA_SIDE, (6.0, -4.5), 17.0)


def write_tma_patches(folder: Path) -> None:
    """One core in both modalities at levels 1 and 4."""
    base = folder / "Eliceiri_patches"
    for level, motion in ((1, rigid(TMA_SIDE, (1.5, 1.0), -3.0)), (4, TMA_MOTION)):
        part = base / f"patch_tlevel{level}"
        grey = texture((TMA_SIDE, TMA_SIDE), 5, 3)
        pictures = {"A": grey, "B": np.stack([grey, grey + 20, 255 - grey], axis=-1)}
        for letter, picture in pictures.items():
            for which, values in (("R", picture), ("T", seen_through(picture, motion))):
                values = values.clip(0, 255).round().astype(np.uint8)
                write_picture(part / letter / "test" / f"1B_I2_{which}.tif", values)
        write_motions(part / "info_test.csv", TMA_SIDE, {"1B_I2": motion})


def write_tma_cores(folder: Path) -> None:
    """Two cores under the names of the training part, one under those of the test part."""
    parts = {
        ("train", "1B_A2"): ("MI", "WB"),
        ("train", "1B_A3"): ("MI", "WB"),
        ("test", "1B_A4"): ("SHG", "BF"),
    }
    for n, ((part, core), endings) in enumerate(parts.items()):
        grey = texture((40, 40), n).clip(0, 255).astype(np.uint8)
        for ending, values in zip(endings, (grey, np.stack([255 - grey] * 3, axis=-1)), strict=True):
            write_picture(folder / "HighRes_Splits" / "WSI" / part / f"{core}_{ending}.tif", values)


def zurich_classes() -> np.ndarray:
    """A class map (Y, X, 3) of two patches in a row, a building in the middle of each, and small things."""
    picture = np.full((330, 640, 3), BACKGROUND, dtype=np.uint8)
    picture[:, 300:340] = ROAD
    picture[120:200, 110:190] = BUILDING
    picture[100:180, 430:530] = BUILDING
    picture[60:90, 60:100] = TREES
    picture[240:290, 180:280] = TREES
    picture[20:25, 20:25] = WATER
    return picture


def write_zurich_maps(folder: Path) -> None:
    """The class map of image 7, under the names of the release."""
    write_picture(folder / "Zurich_dataset_v1.0" / "groundtruth" / "zh7_GT.tif", zurich_classes())


ZURICH_MOTION = rigid(300, (5.0, -3.0), 4.0)


def write_zurich_patches(folder: Path) -> None:
    """Both patches of image 7 in both modalities at level 1, and its class map beside them."""
    write_zurich_maps(folder)
    part = folder / "Zurich_patches" / "fold1" / "patch_tlevel1"
    scene = texture((330, 640), 2, 4)
    for column, start in (("01", 10), ("02", 330)):
        grey = scene[15:315, start : start + 300]
        pictures = {"A": grey, "B": np.stack([grey, grey / 2, grey / 4], axis=-1)}
        for letter, picture in pictures.items():
            for which, values in (("R", picture), ("T", seen_through(picture, ZURICH_MOTION))):
                values = values.clip(0, 255).round().astype(np.uint8)
                write_picture(part / letter / "test" / f"zh7_01_{column}_{which}.png", values)
    names = ("zh7_01_01", "zh7_01_02")
    write_motions(part / "info_test.csv", 300, dict.fromkeys(names, ZURICH_MOTION))


ZURICH_INFRARED = 0


def write_zurich(folder: Path) -> None:
    """Images 2, without a class map, and 7, of four bands in 16 bits; the first band is near infrared."""
    write_zurich_maps(folder)
    green = (zurich_classes() == TREES).all(axis=-1)
    for n in (2, 7):
        bands = np.stack([texture((330, 640), 10 * n + k, 3) for k in range(4)], axis=-1)
        bands[..., ZURICH_INFRARED] += 300 * green
        path = folder / "Zurich_dataset_v1.0" / "images_tif" / f"zh{n}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, (10 * bands).clip(0, 65535).astype(np.uint16), photometric="rgb")


WRITERS = {
    "promis": write_promis,
    "promise12": write_promise12,
    "picai": write_picai,
    "chaos": write_chaos,
    "chaos_nifti": write_chaos_nifti,
    "lung2020": write_lung2020,
    "learn2reg": write_learn2reg,
    "tma_patches": write_tma_patches,
    "tma_cores": write_tma_cores,
    "zurich_patches": write_zurich_patches,
    "zurich": write_zurich,
}
