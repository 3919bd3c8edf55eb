"""The file that a hierarchy of superpixels is kept in: one .npz, versioned.

It may come from a stranger: nothing in it is executed, and nothing is believed before
it has been looked at.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_paf._files import replacing
from napari_paf.clustering._tree import check_shape

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

VERSION = 1


def write_hierarchy(
    path: str | os.PathLike[str],
    merge_order: NDArray[np.int32],
    mask: NDArray[np.bool_],
    n_segments: int,
) -> None:
    """Write what a hierarchy is made of, or leave the disk as it was."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            version=VERSION,
            merge_order=merge_order,
            mask=np.packbits(mask),
            shape=mask.shape,
            n_segments=n_segments,
        )


@contextmanager
def checked_file(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Open a file; whatever is wrong with it is told in one sentence."""
    try:
        with np.load(path, allow_pickle=False) as file:
            yield file
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(
            f"{path} is not a superpixel hierarchy of this version: {error}"
        ) from error


def read_hierarchy(file: Any) -> tuple[NDArray[Any], NDArray[np.bool_], int]:
    """Return merge order, mask and number of superpixels from an open file, or raise.

    Whether they go together, the hierarchy looks at itself.
    """
    version = int(file["version"])
    if version != VERSION:
        raise ValueError(f"version {version} is not known")
    shape = check_shape(file["shape"])
    n_pixels = math.prod(shape)
    packed = file["mask"]
    if packed.size != -(-n_pixels // 8):
        raise ValueError("its mask does not fit its shape")
    mask = np.unpackbits(packed, count=n_pixels).astype(bool).reshape(shape)
    return file["merge_order"], mask, int(file["n_segments"])
