"""Images with ground truth, found in folders and read one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_paf._image_io import TIFF, read_array, read_image, read_labels

if TYPE_CHECKING:
    import os

TRUTH_KEYS = ("segments", "labels", "truth", "groundtruth")
ARRAYS = ".npz"
MATLAB = ".mat"  # ground truths are published so, and nothing here reads them
# What imageio reads with, without packages that we do not ask for.
PLUGINS = {"pillow", "tifffile", "DICOM"}
# Pillow knows their names, but cannot read them without other programs.
NAMES_ONLY = {".bufr", ".emf", ".eps", ".grib", ".h5", ".hdf", ".mpeg", ".mpg"}
NAMES_ONLY |= {".palm", ".pdf", ".ps", ".wmf"}


@dataclass(frozen=True)
class Example:
    """An image with its ground truth, read when asked for.

    Attributes
    ----------
    name : str
        The image file's name without its ending.
    image_path, truth_path : Path
        The same file where one ``.npz`` holds both.
    """

    name: str
    image_path: Path
    truth_path: Path

    def read(self) -> tuple[NDArray[Any], NDArray[np.integer]]:
        """Return image (row, column[, channel]) and truth ([annotator,] row, column).

        Raises
        ------
        OSError, ValueError
            If a file does not hold what it should; the message names it.
        """
        image = _read_image(self.image_path)
        return image, _read_truth(self.truth_path, image.shape[:2])


def find_examples(
    images: str | os.PathLike[str], truths: str | os.PathLike[str] | None = None
) -> list[Example]:
    """Pair the images of a folder with their ground truths, by name.

    Parameters
    ----------
    images : path-like
        A folder of images, or of ``.npz`` files that hold ``image`` and ``labels``.
        Files of other kinds may lie beside them.
    truths : path-like, optional
        A folder with a file of the same name, but for its ending, for each image: a
        label image, or an ``.npz`` file with ``segments`` or ``labels``, where
        several annotators are a leading axis. Default: the ``.npz`` files hold both.

    Returns
    -------
    examples : list of Example
        In the order of their names.

    Raises
    ------
    ValueError
        If there is no such folder, or no image with ground truth, or two files of a
        folder fit one of the other.
    """
    for name, folder in (("images", images), ("truths", truths)):
        if folder is not None and not Path(folder).is_dir():
            raise ValueError(f"{name}={str(folder)!r}: there is no such folder.")
    if truths is None:
        found = [
            Example(path.stem, path, path)
            for path in _files_in(images)
            if path.suffix.lower() == ARRAYS
        ]
    else:
        by_name = _truths_by_name(truths)
        pictures = _by_name(_images_in(images))
        found = [
            Example(name, _only(paths), _only(by_name[name]))
            for name, paths in pictures.items()
            if name in by_name
        ]
    if not found:
        where = (
            "hold image and labels" if truths is None else f"have a truth in {truths}"
        )
        raise ValueError(
            f"{images}: none of the files there {where}; check the folders."
        )
    return found


def images_without_truth(
    images: str | os.PathLike[str], truths: str | os.PathLike[str]
) -> list[Path]:
    """Return the images that `find_examples` leaves out.

    Parameters
    ----------
    images, truths : path-like
        The folders.

    Returns
    -------
    paths : list of Path
        In the order of their names.
    """
    by_name = _truths_by_name(truths)
    return [path for path in _images_in(images) if path.stem not in by_name]


def _files_in(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the files of a folder by name, without those that systems hide there."""
    return sorted(
        path
        for path in Path(folder).iterdir()
        if path.is_file() and not path.name.startswith(".")
    )


def _images_in(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the files of a folder whose endings are those of images and arrays."""
    from imageio.config import known_extensions

    found = []
    for path in _files_in(folder):
        ending = path.suffix.lower()
        known = known_extensions.get(ending, ())
        plugins = {plugin for each in known for plugin in each.priority}
        is_picture = bool(plugins & PLUGINS) and ending not in NAMES_ONLY
        if is_picture or ending in (*TIFF, ARRAYS):
            found.append(path)
    return found


def _truths_by_name(folder: str | os.PathLike[str]) -> dict[str, list[Path]]:
    """Return the ground truths of each name; Matlab's where there are no others."""
    files = [path for path in _files_in(folder) if path.suffix.lower() == MATLAB]
    return _by_name(files) | _by_name(_images_in(folder))


def _by_name(paths: Sequence[Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(path.stem, []).append(path)
    return found


def _only(paths: Sequence[Path]) -> Path:
    """Return the one file of a name, or raise if there are several."""
    if len(paths) > 1:
        names = " and ".join(path.name for path in paths)
        raise ValueError(
            f"{paths[0].parent} holds {names}: leave one file of each name there."
        )
    return paths[0]


def _read_image(path: Path) -> NDArray[Any]:
    """Read an image (row, column[, channel]), or raise."""
    if path.suffix.lower() == ARRAYS:
        image, channel_axis = _read_npz(path, ("image",)), None
    else:
        file = read_image(path)
        image, channel_axis = file.data, file.channel_axis
    if channel_axis is not None:
        image = np.ascontiguousarray(np.moveaxis(image, channel_axis, -1))
    elif image.ndim == 3 and image.shape[-1] == 4:
        image = image[..., :3]  # without opacity
    if image.ndim == 2 or (image.ndim == 3 and image.shape[-1] == 3):
        return image
    kinds = "grey images (row, column) or colour images (row, column, 3)"
    if image.ndim < 2:
        raise ValueError(f"{path} has shape {image.shape}: give {kinds}.")
    if image.ndim == 3 and channel_axis is not None:
        raise ValueError(f"{path} has {image.shape[-1]} channels: give {kinds}.")
    raise ValueError(
        f"{path} of shape {image.shape} is a volume, and only images are compared: "
        f"give {kinds}, such as its planes."
    )


def _read_truth(path: Path, shape: tuple[int, ...]) -> NDArray[np.integer]:
    """Read the ground truth ([annotator,] row, column) of an image, or raise."""
    ending = path.suffix.lower()
    if ending == MATLAB:
        raise ValueError(
            f"{path}: Matlab's files are not read; convert it to .npz with an array "
            "`segments`."
        )
    truth = _read_npz(path, TRUTH_KEYS) if ending == ARRAYS else _read_maps(path, shape)
    if truth.dtype.kind not in "biu":
        raise ValueError(
            f"{path} holds numbers of type {truth.dtype}; give whole numbers."
        )
    if truth.ndim not in (2, 3) or truth.shape[-2:] != shape or truth.size == 0:
        raise ValueError(
            f"{path}: ground truth of shape {truth.shape} for an image of {shape[0]} x "
            f"{shape[1]} pixels; give one of as many pixels, or several in one more "
            "leading axis."
        )
    return truth


def _read_maps(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read a label image, or a stack of one of each annotator."""
    if path.suffix.lower() in TIFF:
        stack = read_array(path).data
        # Files often call the annotators times, channels or colours.
        if stack.ndim == 3 and stack.shape[1:] == shape:
            return stack
    return read_labels(path)


def _read_npz(path: Path, keys: Sequence[str]) -> NDArray[Any]:
    """Read the first of `keys` in an ``.npz`` file."""
    try:
        # NumPy itself would not close a damaged file.
        with path.open("rb") as file, np.load(file) as arrays:
            for key in keys:
                if key in arrays:
                    array: NDArray[Any] = arrays[key]
                    return array
            names = ", ".join(arrays) or "nothing"
    except (MemoryError, PermissionError):
        raise
    except Exception as error:  # of zipfile, zlib and NumPy, on damaged files
        text = str(error).partition("\n")[0].strip() or type(error).__name__
        raise ValueError(f"{path} cannot be read as arrays ({text}).") from error
    raise ValueError(f"{path} holds {names}: name the array {' or '.join(keys)}.")
