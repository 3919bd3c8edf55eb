"""Images and label images in files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_paf._files import replacing

if TYPE_CHECKING:
    import os

TIFF = (".tif", ".tiff")
TILE = (256, 256)


@dataclass(frozen=True)
class ImageFile:
    """An image read from a file.

    Attributes
    ----------
    pixels : ndarray
        As stored, without opacity.
    channel_axis : int or None
        The axis of the channels, as far as the file says.
    """

    pixels: NDArray[Any]
    channel_axis: int | None


def read_image(path: str | os.PathLike[str]) -> ImageFile:
    """Read an image, 2-D or 3-D, grey or with channels.

    Parameters
    ----------
    path : path-like
        TIFF, OME-TIFF or ImageJ's TIFF, whose names of axes are believed, or whatever
        imageio reads (PNG, JPEG, ...), where three axes are rows, columns, colours.

    Raises
    ------
    ValueError
        If the file is not there, can't be read, or has a time axis.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file.")
    try:
        pixels, axes = _read_tiff(path) if path.suffix.lower() in TIFF else _read(path)
    except Exception as error:  # every reader has errors of its own
        raise ValueError(f"{path} can't be read as an image: {error}") from error
    if "T" in axes:
        raise ValueError(
            f"{path} has a time axis (axes {axes}): save the time points one by one."
        )
    if "S" in axes:
        samples = axes.index("S")
        if pixels.shape[samples] in (2, 4):  # the last one is opacity
            pixels = pixels.take(range(pixels.shape[samples] - 1), axis=samples)
        if pixels.shape[samples] == 1:
            pixels, axes = pixels.squeeze(samples), axes.replace("S", "")
    channel_axis = next((axes.index(name) for name in "CS" if name in axes), None)
    return ImageFile(pixels, channel_axis)


def write_labels(
    path: str | os.PathLike[str], labels: NDArray[np.unsignedinteger]
) -> None:
    """Write a label image as a tiled, compressed TIFF, whole or not at all.

    Parameters
    ----------
    path : path-like
        Must end in ``.tif`` or ``.tiff``.
    labels : ([plane,] row, column) ndarray of unsigned int
    """
    import tifffile

    path = check_tiff(path)
    with replacing(path) as temporary:
        tifffile.imwrite(
            temporary,
            labels,
            tile=TILE,
            compression="deflate",
            photometric="minisblack",
            metadata={"axes": "ZYX"[-labels.ndim :]},
        )


def check_tiff(path: str | os.PathLike[str]) -> Path:
    """Return the path of a TIFF file to write, or raise."""
    path = Path(path)
    if path.suffix.lower() not in TIFF:
        raise ValueError(f"{path}: choose a name that ends in .tif.")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}; make it first.")
    return path


def _read_tiff(path: Path) -> tuple[NDArray[Any], str]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        if not file.series:
            raise ValueError("it holds no image")
        series = file.series[0]
        pixels, axes = series.asarray(), series.axes
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return native, axes


def _read(path: Path) -> tuple[NDArray[Any], str]:
    import imageio.v3 as imageio

    pixels = np.asarray(imageio.imread(path))
    if pixels.ndim == 2:
        return pixels, "YX"
    return pixels, "ZYXS"[-pixels.ndim :]
