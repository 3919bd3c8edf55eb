"""Image files in, label files out.

TIFF is read and written by tifffile, which knows what the axes of a file are;
everything else is read by imageio.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_paf._files import can_write_into, checked_target, replacing
from napari_paf._pixel_size import PixelSize, read_pixel_size

if TYPE_CHECKING:
    import os

    import tifffile

TIFF = (".tif", ".tiff")
TILE = (256, 256)  # multiples of 16
COLOURS = "SC"  # tifffile's letters for samples and channels
PALETTES = (".png", ".bmp")  # labelling tools write labels so, to show them in colours

Read = TypeVar("Read")


@dataclass(frozen=True, eq=False)
class ImageFile:
    """An image as it was in its file.

    Attributes
    ----------
    data : ([plane,] row, column[, channel]) ndarray
        Channels may come first; without opacity.
    channel_axis : int or None
        Axis of the channels, as far as the file says.
    size : PixelSize
        Of its pixels.
    """

    data: NDArray[Any]
    channel_axis: int | None
    size: PixelSize


def read_image(path: str | os.PathLike[str]) -> ImageFile:
    """Read an image file.

    Parameters
    ----------
    path : path-like
        A TIFF, or whatever imageio reads. Of files with several images or
        resolution levels, the first and finest.

    Returns
    -------
    image : ImageFile
        Colours and planes told apart by what the file says.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, it is damaged, or it has more axes than planes,
        rows, columns and channels.

    Examples
    --------
    >>> import tifffile
    >>> tifffile.imwrite("volume.tif", np.zeros((5, 32, 40), np.uint8))
    >>> image = read_image("volume.tif")
    >>> image.data.shape, image.channel_axis
    ((5, 32, 40), None)
    """
    path = _existing(path)
    if path.suffix.lower() in TIFF:
        return _decode(path, _read_tiff)
    return _decode(path, _read_other)


def read_array(path: str | os.PathLike[str]) -> ImageFile:
    """Read an image file with all the axes that napari gives it.

    Parameters
    ----------
    path : path-like
        As for `read_image`, or an ``.npy`` file.

    Returns
    -------
    image : ImageFile
        With times and opacity. Which axis is which is for the caller to know: there
        is no channel axis, and `size` has an entry for each axis, NaN where the file
        says nothing of it.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, or it is damaged.

    Examples
    --------
    >>> np.save("series.npy", np.zeros((9, 5, 32, 40), np.uint8))
    >>> read_array("series.npy").data.shape
    (9, 5, 32, 40)
    """
    path = _existing(path)
    if path.suffix.lower() in TIFF:
        return _decode(path, _read_whole_tiff)
    return _decode(path, _read_whole)


def read_labels(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read a label image or a mask.

    Parameters
    ----------
    path : path-like
        As for `read_image`; without colours. Of a picture with a palette, the numbers
        that the palette gives colours to.

    Returns
    -------
    labels : ndarray of bool or int
        With the axes that the file has.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, it is damaged, or holds other than whole numbers.
    """
    path = _existing(path)
    has_palette = path.suffix.lower() in PALETTES and _decode(path, _has_palette)
    image = _decode(path, _read_indices) if has_palette else read_image(path)
    if image.channel_axis is not None:
        raise ValueError(
            f"{path} is a colour image; give one with one whole number per pixel."
        )
    if image.data.dtype.kind not in "biu":
        raise ValueError(
            f"{path} holds numbers of type {image.data.dtype}; give whole numbers."
        )
    return image.data


def check_label_path(
    path: str | os.PathLike[str], *sources: str | os.PathLike[str] | None
) -> Path:
    """Return the path if labels can be written there, before any work starts.

    Parameters
    ----------
    path : path-like
        Must end in ``.tif`` or ``.tiff``.
    *sources : path-like or None
        Files that are read: the labels must not replace one of them.

    Returns
    -------
    path : Path
        The same.

    Raises
    ------
    ValueError, OSError
        If not; the message says what to do.
    """
    path = Path(path)
    if path.suffix.lower() not in TIFF:
        raise ValueError(f"{path}: labels are written as TIFF; end its name in .tif.")
    folder = checked_target(path).parent
    if not can_write_into(folder):
        raise PermissionError(
            f"{path}: nothing can be written into {folder.absolute()}; choose another "
            "place."
        )
    for source in sources:
        if source is not None and path.exists() and Path(source).exists():
            if path.samefile(source):
                raise ValueError(
                    f"{path} is a file to read from; give the labels another name."
                )
    return path


def write_labels(
    path: str | os.PathLike[str],
    labels: NDArray[Any],
    size: PixelSize | None = None,
) -> None:
    """Write labels as a tiled, compressed TIFF; whole or not at all.

    Parameters
    ----------
    path : path-like
        Must end in ``.tif`` or ``.tiff``. A file that is there already is replaced
        when the new one is complete.
    labels : ([time,] [plane,] row, column) ndarray of uint8, uint16 or uint32
        What to write.
    size : PixelSize, optional
        Of the pixels; of a stack, if the labels are those of one plane.

    Raises
    ------
    ValueError, OSError
        If it cannot be written there.

    Examples
    --------
    >>> write_labels("labels.tif", np.ones((30, 40), np.uint16))
    >>> int(read_labels("labels.tif").max())
    1
    """
    import tifffile

    path = check_label_path(path)
    size = size or PixelSize()
    # Q stands for any axis.
    axes = "TZYX".rjust(labels.ndim, "Q")[-labels.ndim :]
    metadata: dict[str, Any] = {"axes": axes}
    spacing = (size.spacing or ())[-labels.ndim :]
    if len(spacing) == labels.ndim:
        metadata |= {"spacing": spacing, "unit": size.unit}
    options: dict[str, Any] = {}
    if size.resolution is not None:
        *resolution, unit = size.resolution
        options = {"resolution": resolution, "resolutionunit": unit}
    with replacing(path) as temporary:
        tifffile.imwrite(
            temporary,
            labels,
            photometric="minisblack",
            tile=TILE,
            compression="deflate",
            metadata=metadata,
            **options,
        )


def _existing(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give an image file.")
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file.")
    return path


def _decode(path: Path, read: Callable[[Path], Read]) -> Read:
    """Read a file, and make whatever decoders raise one sentence."""
    try:
        return read(path)
    except _Unusable as error:
        raise ValueError(f"{path} {error}") from None
    except PermissionError:
        raise
    except Exception as error:  # decoders raise anything on damaged files
        if "imagecodecs" in str(error):
            raise ValueError(
                f"{path} is compressed in a way that needs another package: "
                "pip install imagecodecs."
            ) from error
        text = str(error).partition("\n")[0].strip() or type(error).__name__
        raise ValueError(f"{path} cannot be read as an image ({text}).") from error


class _Unusable(Exception):
    """What is the matter with an image, as the rest of a sentence."""


def _first_image(tif: tifffile.TiffFile) -> tuple[NDArray[Any], str]:
    """Return the pixels of a TIFF's first series, and tifffile's letters for its axes.

    Raises
    ------
    _Unusable
        If there is none.
    """
    if not tif.series:
        raise _Unusable("holds no image.")
    series = tif.series[0]
    return series.asarray(), series.axes


def _read_tiff(path: Path) -> ImageFile:
    import tifffile

    with tifffile.TiffFile(path) as tif:
        data, axes = _first_image(tif)
        size = read_pixel_size(tif, "".join(a for a in axes if a not in COLOURS))
        opaque = not getattr(tif.pages.first, "extrasamples", ())
    return _arranged(data, axes, size, opaque=opaque)


def _read_other(path: Path) -> ImageFile:
    import imageio.v3 as imageio

    data = np.asarray(imageio.imread(path))
    if data.ndim < 2:
        raise _Unusable(f"has shape {data.shape}, which is no image.")
    has_colours = data.ndim > 2 and data.shape[-1] <= 4
    axes = "YXS" if has_colours else "YX"
    # Opacity comes last, after grey or after red, green and blue.
    opaque = not has_colours or data.shape[-1] in (1, 3)
    return _arranged(
        data, "Q" * (data.ndim - len(axes)) + axes, PixelSize(), opaque=opaque
    )


def _has_palette(path: Path) -> bool:
    import imageio.v3 as imageio

    return bool(imageio.immeta(path).get("mode") == "P")


def _read_indices(path: Path) -> ImageFile:
    import imageio.v3 as imageio

    return ImageFile(imageio.imread(path, mode="P"), None, PixelSize())


def _read_whole_tiff(path: Path) -> ImageFile:
    import tifffile

    with tifffile.TiffFile(path) as tif:
        data, axes = _first_image(tif)
        sized = [i for i, axis in enumerate(axes) if axis not in COLOURS]
        size = read_pixel_size(tif, "".join(axes[i] for i in sized))
        known = dict(zip(sized, size.spacing or (), strict=False))
        if size.spacing is None:  # perhaps it is known of rows and columns
            for i, axis in enumerate(axes):
                known[i], *_ = read_pixel_size(tif, axis).spacing or (math.nan,)
    data = data.astype(data.dtype.newbyteorder("="), copy=False)
    spacing = tuple(known.get(i, math.nan) for i in range(data.ndim))
    size = replace(size, spacing=spacing)
    return ImageFile(data, None, size)


def _read_whole(path: Path) -> ImageFile:
    import imageio.v3 as imageio

    if path.suffix.lower() == ".npy":
        with path.open("rb") as file:
            data = np.lib.format.read_array(file, allow_pickle=False)
    else:
        data = np.asarray(imageio.imread(path))
    return ImageFile(data, None, PixelSize())


def _arranged(
    data: NDArray[Any], axes: str, size: PixelSize, *, opaque: bool
) -> ImageFile:
    """Leave out what is no image, and tell the channels from the planes."""
    data = data.astype(data.dtype.newbyteorder("="), copy=False)
    if not opaque and axes.endswith("S") and data.shape[-1] in (2, 4):
        data = data[..., :-1]
    kept = [i for i, axis in enumerate(axes) if axis in "YX" or data.shape[i] > 1]
    data = data.reshape([data.shape[i] for i in kept])
    axes = "".join(axes[i] for i in kept)
    colours = [i for i, axis in enumerate(axes) if axis in COLOURS]
    # Of four axes without names, the caller may know which are the channels.
    if len(colours) > 1 or len(axes) > 4 or "T" in axes:
        _too_many_axes(data, axes)
    spacing = size.spacing
    if spacing is not None and len(spacing) != len(axes) - len(colours):
        size = PixelSize(None, "", size.resolution)
    return ImageFile(data, colours[0] if colours else None, size)


def _too_many_axes(data: NDArray[Any], axes: str) -> NoReturn:
    words = {"T": "times", "Z": "planes", "Y": "rows", "X": "columns"}
    words |= {"C": "channels", "S": "colours"}
    sizes = [
        f"{n} {words.get(axis, 'pages')}"
        for n, axis in zip(data.shape, axes, strict=True)
    ]
    raise _Unusable(
        f"holds {' x '.join(sizes)}; give an image with at most planes, rows, columns "
        "and channels, for example one time of it."
    )
