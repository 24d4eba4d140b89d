"""Small volumes with a frame of their own, and files of them."""

from __future__ import annotations

import SimpleITK

OBLIQUE = (0.36, 0.48, -0.8, -0.8, 0.6, 0.0, 0.48, 0.64, 0.6)
FLIPPED = (-1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def itk_image(values, direction=OBLIQUE, spacing=(0.7, 1.3, 5.0), origin=(12.0, -40.0, 7.0)):
    image = SimpleITK.GetImageFromArray(values)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image


def written(tmp_path, name, values, **geometry):
    path = tmp_path / name
    SimpleITK.WriteImage(itk_image(values, **geometry), str(path))
    return path


def raw_mha(tmp_path, spacing="1 1 1", direction="1 0 0 0 1 0 0 0 1"):
    path = tmp_path / "raw.mha"
    header = (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
        f"TransformMatrix = {direction}\nOffset = 0 0 0\nElementSpacing = {spacing}\nDimSize = 4 3 2\n"
        "ElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    )
    path.write_bytes(header.encode() + bytes(range(24)))
    return path
