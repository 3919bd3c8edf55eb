"""Superpixels of every granularity at once."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._progress import Progress, part, silent
from napari_paf._validation import (
    as_array,
    check_covers_islands,
    check_n_segments,
)
from napari_paf.clustering._hierarchy_file import (
    checked_file,
    read_hierarchy,
    write_hierarchy,
)
from napari_paf.clustering._threads import PIECE, pieces
from napari_paf.clustering._tree import (
    are_neighbours,
    check_shape,
    cut_tree,
    first_leaving,
    grow_tree,
    split_at_last,
)
from napari_paf.clustering.entropy_rate import (
    label_dtype,
    merged_pairs,
    own_numbers,
)

if TYPE_CHECKING:
    import os


GROWING = "growing the tree"


class SuperpixelHierarchy:
    """All the superpixels that merging goes through, from pixels to islands.

    Made by `entropy_rate_hierarchy`. Exact for the number of superpixels it was
    made for; for other numbers a nested approximation, because the trade-off
    between entropy rate and balance depends on that number.

    Parameters
    ----------
    merge_order : (n_merges, 2) array_like of int
        Pairs of neighbouring pixels (raster indices) in the order in which
        their superpixels are joined.
    shape : tuple of int
        Shape of the image.
    mask : ([plane,] row, column) array_like of bool, optional
        Pixels that were clustered. Default: all.
    n_segments : int
        Number of superpixels for which the order is exact.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_paf import entropy_rate_hierarchy
    >>> affinity = np.ones((2, 3, 4))
    >>> affinity[0, :, 1] = 0.1  # a boundary down the middle
    >>> hierarchy = entropy_rate_hierarchy(affinity, 2, connectivity=1)
    >>> hierarchy.labels(2)
    array([[1, 1, 2, 2],
           [1, 1, 2, 2],
           [1, 1, 2, 2]], dtype=uint16)
    >>> hierarchy.split(hierarchy.labels(2), 2)
    array([[1, 1, 2, 2],
           [1, 1, 2, 2],
           [1, 1, 3, 3]], dtype=uint16)
    """

    def __init__(
        self,
        merge_order: ArrayLike,
        shape: tuple[int, ...],
        *,
        mask: ArrayLike | None = None,
        n_segments: int = 1,
    ) -> None:
        self.shape = check_shape(shape)
        n_pixels = math.prod(self.shape)
        merge_order = as_array("merge_order", merge_order)
        if merge_order.size and merge_order.dtype.kind not in "iu":
            raise TypeError(
                f"merge_order of dtype {merge_order.dtype}: give numbers of pixels."
            )
        if merge_order.size and (merge_order.ndim, merge_order.shape[-1]) != (2, 2):
            raise ValueError(
                f"merge_order of shape {merge_order.shape}: give pairs (n, 2)."
            )
        if merge_order.size and not (
            0 <= merge_order.min() and merge_order.max() < n_pixels
        ):
            raise ValueError("merge_order: a pixel lies outside the image.")
        self.mask = np.ones(self.shape, bool) if mask is None else np.array(mask, bool)
        self.merge_order = np.ascontiguousarray(merge_order, np.int32).reshape(-1, 2)
        self.n_pixels = int(np.count_nonzero(self.mask))
        self.n_segments = check_n_segments(n_segments, self.n_pixels)
        if self.mask.shape != self.shape:
            raise ValueError(
                f"mask of shape {self.mask.shape}: the image has shape {self.shape}."
            )
        ends = self.merge_order
        if not self.mask.ravel()[ends].all():
            raise ValueError("merge_order: a pixel lies outside the mask.")
        if not are_neighbours(ends, self.shape):
            raise ValueError("merge_order: it joins pixels that are not neighbours.")
        if self._grow(silent) != len(ends):
            raise ValueError("merge_order: a merge joins a superpixel to itself.")

    @classmethod
    def _grown(
        cls,
        merge_order: NDArray[np.int32],
        shape: tuple[int, ...],
        mask: NDArray[np.bool_] | None,
        n_segments: int,
        report: Progress,
    ) -> SuperpixelHierarchy:
        """Return the hierarchy of merges that were just found, and are right."""
        self = cls.__new__(cls)
        report(0, GROWING)
        self.shape, self.n_segments = shape, n_segments
        self.mask = np.ones(shape, bool) if mask is None else mask.copy()
        self.merge_order = merge_order
        self.n_pixels = int(np.count_nonzero(self.mask))
        self._grow(report)
        return self

    def _grow(self, report: Progress) -> int:
        """Grow the tree of the merges; return how many joined something."""
        inside = None if self.mask.all() else self.mask
        self._absorber = own_numbers(self.shape, inside)
        self._when = np.full(self._absorber.shape, np.iinfo(np.int32).max, np.int32)
        root = np.arange(len(self._absorber), dtype=np.int32)
        order, n_joined = self.merge_order, 0
        for start, stop in pieces(len(order), PIECE):
            report(start / len(order), GROWING)
            n_joined += grow_tree(order, start, stop, root, self._absorber, self._when)
        report(1, GROWING)
        return n_joined

    def __repr__(self) -> str:
        return (
            f"SuperpixelHierarchy(shape={self.shape}, n_segments={self.n_segments}, "
            f"{self.n_islands} to {self.n_pixels} superpixels)"
        )

    @property
    def n_islands(self) -> int:
        """Least number of superpixels: the separate parts of the mask."""
        return self.n_pixels - len(self.merge_order)

    def labels(
        self, n_segments: int, out: NDArray[Any] | None = None
    ) -> NDArray[np.unsignedinteger]:
        """Return the superpixels of any granularity.

        Parameters
        ----------
        n_segments : int
            Number of superpixels, from `n_islands` to `n_pixels`.
        out : (*shape,) C-contiguous ndarray of int, optional
            Array to write into, instead of a new one. Its dtype must hold
            `n_segments`.

        Returns
        -------
        labels : (*shape,) ndarray of uint16 or uint32, or `out`
            1 to `n_segments` in raster order of first pixels, 0 outside the
            mask. Every coarser result is a union of superpixels of a finer one.

        Raises
        ------
        TypeError, ValueError
            If there is no such granularity or `out` does not fit.
        """
        n_segments = check_n_segments(n_segments, self.n_pixels)
        check_covers_islands(n_segments, self.n_islands)
        if out is None:
            out = np.empty(self.shape, label_dtype(n_segments))
        else:
            self._check_out(out, n_segments)
        cut_tree(
            self._absorber, self._when, self.n_pixels - n_segments, out.reshape(-1)
        )
        return out

    def _check_out(self, out: NDArray[Any], n_segments: int) -> None:
        """Raise unless labels up to `n_segments` can be written into `out`."""
        if out.shape != self.shape or not out.flags.c_contiguous:
            raise ValueError(
                f"out of shape {out.shape}: give a C-contiguous array of shape "
                f"{self.shape}."
            )
        if out.dtype.kind not in "iu" or not out.dtype.isnative:
            raise TypeError(
                f"out of dtype {out.dtype}: give an integer array in the byte order of "
                "this machine."
            )
        if np.iinfo(out.dtype).max < n_segments:
            raise ValueError(
                f"out of dtype {out.dtype}: n_segments={n_segments} does not fit; give "
                f"{label_dtype(n_segments).__name__} or larger."
            )
        if not out.flags.writeable:
            raise ValueError("out is read-only: give an array that can be written to.")

    def split(self, labels: ArrayLike, label: int) -> NDArray[Any]:
        """Return labels in which the last merge inside one superpixel is undone.

        Parameters
        ----------
        labels : (*shape,) array_like of int
            Superpixels from `labels`, `split` or `merge`; not changed.
        label : int
            The superpixel to split. The part with its first pixel keeps the
            number; the other part gets the next free one.

        Returns
        -------
        labels : (*shape,) ndarray of int

        Raises
        ------
        ValueError
            If `label` is not there, is a single pixel, or was drawn by hand so that
            the hierarchy joins no two of its pixels.
        """
        result = self._check_labels(labels, label)
        new_label = int(result.max()) + 1
        if new_label > np.iinfo(result.dtype).max:
            larger = np.promote_types(result.dtype, np.min_scalar_type(new_label))
            if larger.kind not in "iu":
                raise ValueError(
                    f"labels up to {new_label - 1} leave no number for the new part: "
                    "renumber them, as skimage.segmentation.relabel_sequential does."
                )
            result = result.astype(larger)
        flat, parent = result.reshape(-1), np.arange(result.size, dtype=np.int32)
        if not split_at_last(self.merge_order, flat, label, new_label, parent):
            if np.count_nonzero(result == label) == 1:
                raise ValueError(
                    f"label={label} is a single pixel: it cannot be split."
                )
            raise ValueError(
                f"label={label} is not of the hierarchy, which joins no two of its "
                "pixels: edit it by hand."
            )
        return result

    def merge(self, labels: ArrayLike, label: int) -> NDArray[Any]:
        """Return labels in which one superpixel is joined as the hierarchy would.

        Parameters
        ----------
        labels : (*shape,) array_like of int
            Superpixels from `labels`, `split` or `merge`; not changed.
        label : int
            The superpixel to join. It takes over the number of the neighbour
            that the hierarchy joins it to first.

        Returns
        -------
        labels : (*shape,) ndarray of int

        Raises
        ------
        ValueError
            If `label` is not there or has no neighbour.
        """
        result = self._check_labels(labels, label)
        flat = result.reshape(-1)
        place = first_leaving(self.merge_order, flat, label)
        if place < 0:
            raise ValueError(f"label={label} has no neighbour to be joined to.")
        ends = flat[self.merge_order[place]]
        result[result == label] = ends[ends != label][0]
        return result

    def _check_labels(self, labels: ArrayLike, label: int) -> NDArray[Any]:
        """Return a copy of `labels` of an integer dtype, or raise."""
        array = np.array(as_array("labels", labels), order="C")
        if array.shape != self.shape:
            raise ValueError(
                f"labels of shape {array.shape}: the hierarchy has shape {self.shape}."
            )
        if array.dtype.kind not in "iu":
            raise TypeError(f"labels of dtype {array.dtype}: give integers.")
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        if isinstance(label, bool) or not isinstance(label, numbers.Integral):
            raise TypeError(f"label={label!r}: give the number of a superpixel.")
        if label < 1 or not (array == label).any():
            raise ValueError(f"label={label} is not in labels: choose one that is.")
        return array

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the hierarchy to one .npz file, or leave the disk as it was.

        Parameters
        ----------
        path : str or path
            File to write; replaced if it exists.
        """
        write_hierarchy(path, self.merge_order, self.mask, self.n_segments)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SuperpixelHierarchy:
        """Read a hierarchy written by `save`; safe for files from strangers.

        Parameters
        ----------
        path : str or path
            File to read.

        Returns
        -------
        hierarchy : SuperpixelHierarchy

        Raises
        ------
        ValueError
            If the file is not a hierarchy, or of an unknown version.
        """
        with checked_file(path) as file:
            merge_order, mask, n_segments = read_hierarchy(file)
            return cls(merge_order, mask.shape, mask=mask, n_segments=n_segments)


def entropy_rate_hierarchy(
    affinity: ArrayLike,
    n_segments: int,
    *,
    balance: float = 0.5,
    connectivity: int = 2,
    mask: ArrayLike | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> SuperpixelHierarchy:
    """Cluster pixels into superpixels of every granularity at once.

    Like `entropy_rate_superpixels`, but merges on until only the separate parts
    of the mask are left, and remembers the order.

    Parameters
    ----------
    affinity : (n_offsets, [plane,] row, column) array_like
        How strongly neighbouring pixels belong together, from 0 to 1; see
        `entropy_rate_superpixels`.
    n_segments : int
        Number of superpixels for which the hierarchy is exact.
    balance : float, optional
        How much equal sizes matter, from 0 to 1000.
    connectivity : int, optional
        From 1 (shared faces) to the number of spatial axes.
    mask : ([plane,] row, column) array_like of bool or int, optional
        Pixels to cluster are those that are not 0. Default: all.
    n_threads : int, optional
        Number of threads. Default: the environment variable
        ``NAPARI_PAF_NUM_THREADS``, or one for each core.
    progress : callable, optional
        As in `entropy_rate_superpixels`.

    Returns
    -------
    hierarchy : SuperpixelHierarchy
        ``hierarchy.labels(n_segments)`` equals what `entropy_rate_superpixels`
        returns.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_paf import entropy_rate_hierarchy
    >>> affinity = np.random.default_rng(0).random((2, 16, 16))
    >>> hierarchy = entropy_rate_hierarchy(affinity, 10)
    >>> [int(hierarchy.labels(n).max()) for n in (1, 10, 256)]
    [1, 10, 256]
    """
    graph, n_segments, ends = merged_pairs(
        affinity,
        n_segments,
        balance,
        connectivity,
        mask,
        n_threads,
        part(progress, 0, 0.9),
        to_the_end=True,
    )
    return SuperpixelHierarchy._grown(
        ends, graph.shape, graph.mask, n_segments, part(progress, 0.9, 1)
    )
