"""Images with ground truth, found in folders and read one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import os

TRUTH_KEYS = ("segments", "labels", "truth", "groundtruth")


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
        ValueError
            If a file does not hold what it should.
        """
        image = _read_array(self.image_path, ("image",))
        truth = _read_array(self.truth_path, TRUTH_KEYS)
        if image.ndim == 3 and image.shape[-1] == 4:
            image = image[..., :3]  # without opacity
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[-1] != 3):
            raise ValueError(
                f"{self.image_path} has shape {image.shape}: give grey images (row, "
                "column) or colour images (row, column, 3)."
            )
        return image, truth


def find_examples(
    images: str | os.PathLike[str], truths: str | os.PathLike[str] | None = None
) -> list[Example]:
    """Pair the images of a folder with their ground truths, by name.

    Parameters
    ----------
    images : path-like
        A folder of images, or of ``.npz`` files that hold ``image`` and ``labels``.
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
        If there is no such folder, or no image with ground truth.
    """
    for name, folder in (("images", images), ("truths", truths)):
        if folder is not None and not Path(folder).is_dir():
            raise ValueError(f"{name}={str(folder)!r}: there is no such folder.")
    found = []
    by_name = {}
    if truths is not None:
        by_name = {path.stem: path for path in _files_in(truths)}
    for path in _files_in(images):
        if truths is None:
            if path.suffix == ".npz":
                found.append(Example(path.stem, path, path))
        elif path.stem in by_name:
            found.append(Example(path.stem, path, by_name[path.stem]))
    if not found:
        where = (
            "hold image and labels" if truths is None else f"have a truth in {truths}"
        )
        raise ValueError(
            f"{images}: none of the files there {where}; check the folders."
        )
    return found


def _files_in(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the files of a folder by name, without those that systems hide there."""
    return sorted(
        path
        for path in Path(folder).iterdir()
        if path.is_file() and not path.name.startswith(".")
    )


def _read_array(path: Path, keys: Sequence[str]) -> NDArray[Any]:
    """Read an image file, or the first of `keys` in an ``.npz`` file."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            for key in keys:
                if key in arrays:
                    array: NDArray[Any] = arrays[key]
                    return array
            raise ValueError(
                f"{path} holds {', '.join(arrays) or 'nothing'}: name the array "
                f"{' or '.join(keys)}."
            )
    if path.suffix.lower() in {".tif", ".tiff"}:
        import tifffile

        return np.asarray(tifffile.imread(path))
    import imageio.v3 as iio

    return np.asarray(iio.imread(path))
