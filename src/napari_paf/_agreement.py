"""Superpixels beside a ground truth: counted once, read by every measure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf import _metrics_kernels as kernels
from napari_paf._validation import (
    as_array,
    check_channel_axis,
    check_label,
    check_mask,
    check_min_size,
)

Truths = ArrayLike | Sequence[ArrayLike]


@dataclass(frozen=True)
class Superpixels:
    """A label image as dense codes.

    Attributes
    ----------
    shape : tuple of int
        Shape of the label image, of two or three axes.
    codes : (plane, row, column) ndarray of int32
        0, 1, 2, ... in the order of the labels; -1 outside the mask.
    n : int
        Number of superpixels.
    """

    shape: tuple[int, ...]
    codes: kernels.Codes
    n: int

    @classmethod
    def read(cls, labels: ArrayLike, mask: ArrayLike | None = None) -> Superpixels:
        """Check `labels` and `mask` and number the superpixels inside."""
        array = _check_labels(labels, "labels")
        inside = None if mask is None else check_mask(mask, array.shape)
        codes, values = dense(array, inside)
        return cls(array.shape, _as_volume(codes), len(values))

    @cached_property
    def pixels(self) -> tuple[NDArray[np.int64], kernels.Codes]:
        """Where each superpixel starts in a list of pixels sorted by superpixel."""
        return kernels.sort_pixels(self.codes, self.n)

    @cached_property
    def boundary(self) -> NDArray[np.bool_]:
        """Pixels that differ from the next one along some axis."""
        return kernels.boundary(self.codes)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Pixels of each superpixel."""
        return np.diff(self.pixels[0])

    def compactness(self) -> float:
        """Mean isoperimetric quotient, weighted by size."""
        sizes = self.sizes.astype(float)
        faces = kernels.count_faces(self.codes, self.n, len(self.shape)).astype(float)
        if len(self.shape) == 2:
            quotients = 4 * math.pi * sizes / faces**2
        else:
            quotients = 36 * math.pi * sizes**2 / faces**3
        return float((sizes * quotients).sum() / sizes.sum())

    def explained_variation(self, image: ArrayLike, channel_axis: int | None) -> float:
        """Variance between superpixels over the variance of the image."""
        between = total = largest = 0.0
        codes = self.codes.ravel()
        inside = codes >= 0
        codes = codes[inside]
        channels = _channels(image, channel_axis, self.shape)
        for channel in channels:
            values = channel.ravel()[inside]
            n_bad = np.count_nonzero(~np.isfinite(values))
            if n_bad:
                raise ValueError(
                    f"image: {n_bad} of the values are NaN or infinite; replace them "
                    "or leave them out with mask."
                )
            largest = max(largest, -float(values.min()), float(values.max()))
        for channel in channels:
            values = channel.ravel()[inside].astype(np.float64)
            # Squares of huge and tiny values would not be numbers any more.
            values /= largest or 1.0
            scale = float(np.abs(values).max())
            values -= values.mean()
            # Rounding leaves a constant image with a hint of variance; drop it.
            values[np.abs(values) <= 4 * np.finfo(float).eps * scale] = 0
            means = np.bincount(codes, values, self.n) / self.sizes
            between += float((self.sizes * means**2).sum())
            total += float((values**2).sum())
        return min(between / total, 1.0) if total > 0 else 1.0


@dataclass(frozen=True)
class Agreement:
    """Superpixels and one annotator's segments.

    Attributes
    ----------
    superpixels : Superpixels
        May have pixels that are not annotated.
    truth : (plane, row, column) ndarray of int32
        Codes of the segments, -1 where the annotator says nothing.
    values : (n_segments,) ndarray
        The annotator's own labels.
    """

    superpixels: Superpixels
    truth: kernels.Codes
    values: NDArray[np.integer]

    @cached_property
    def overlap(self) -> kernels.Overlap:
        """What each superpixel overlaps."""
        return kernels.overlap(*self.superpixels.pixels, self.truth, len(self.values))

    @cached_property
    def boundaries(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Boundary pixels of the superpixels and of the segments."""
        known = self.truth >= 0
        codes = self.superpixels.codes
        if (known | (codes < 0)).all():
            return self.superpixels.boundary, kernels.boundary(self.truth)
        seen = np.where(known, codes, np.int32(-1))
        return kernels.boundary(seen), kernels.boundary(self.truth)

    def accuracy(self) -> float:
        """Largest overlaps over pixels."""
        size, largest, *_ = self.overlap
        return float(largest.sum() / size.sum())

    def leakage(self) -> float:
        """Smaller parts of overlapping pairs over pixels."""
        size, *_, leaks = self.overlap
        return float(leaks / size.sum())

    def recall(self, tolerance: int) -> float:
        """Part of the segments' boundary with a superpixel boundary near."""
        found, true = self.boundaries
        total, near = kernels.count_near(true, found, tolerance)
        return near / total if total else 1.0

    def precision(self, tolerance: int) -> float:
        """Part of the superpixels' boundary with a segment boundary near."""
        found, true = self.boundaries
        total, near = kernels.count_near(found, true, tolerance)
        return near / total if total else 1.0

    def iou(self, background: int | None, min_size: int) -> float:
        """Mean over objects of the overlap with the superpixels that went to them."""
        check_label("background", background)
        min_size = check_min_size(min_size)
        size, largest, partner, truth_size, _ = self.overlap
        seen = partner >= 0
        n = len(truth_size)
        given = np.bincount(partner[seen], size[seen], n)
        inside = np.bincount(partner[seen], largest[seen], n)
        counts = truth_size >= max(min_size, 1)
        if background is not None:
            counts &= self.values != background
        if not counts.any():
            return math.nan
        return float((inside / (truth_size + given - inside))[counts].mean())


def agreements(
    superpixels: Superpixels, truth: Truths, unlabelled: int | None
) -> Iterator[Agreement]:
    """Yield the superpixels beside each annotator's segments."""
    check_label("unlabelled", unlabelled)
    shape = superpixels.shape
    inside = superpixels.codes.reshape(shape) >= 0
    everywhere = bool(inside.all())
    maps = _annotators(truth, shape)
    for array in maps:
        known = None if everywhere else inside
        if unlabelled is not None:
            known = inside & (array != unlabelled)
            if not known.any():
                raise ValueError(
                    f"truth: every pixel is unlabelled ({unlabelled}); give a ground "
                    "truth with some labelled pixels inside the mask."
                )
        codes, values = dense(array, known)
        yield Agreement(superpixels, _as_volume(codes), values)


def dense(
    array: NDArray[np.integer], inside: NDArray[np.bool_] | None = None
) -> tuple[kernels.Codes, NDArray[np.integer]]:
    """Replace the values of `array` by 0, 1, 2, ... in their order; -1 outside."""
    kept = array.ravel() if inside is None else array[inside]
    low, high = int(kept.min()), int(kept.max())
    fits = high <= np.iinfo(np.int64).max
    if fits and high - low <= 2 * kept.size + 65536:  # a table beats sorting
        shifted = kept.astype(np.int64) - low
        present = np.zeros(high - low + 1, bool)
        present[shifted] = True
        codes = (np.cumsum(present, dtype=np.int32) - np.int32(1))[shifted]
        values: NDArray[np.integer] = np.flatnonzero(present) + low
    else:
        values, inverse = np.unique(kept, return_inverse=True)
        codes = inverse.astype(np.int32)
    if inside is None:
        return codes.reshape(array.shape), values
    everywhere = np.full(array.shape, -1, np.int32)
    everywhere[inside] = codes
    return everywhere, values


def known_mean(scores: Iterable[float]) -> float:
    """Return the mean over annotators with a score, NaN if there are none."""
    known = [score for score in scores if score == score]
    return float(np.mean(known)) if known else float("nan")


def check_tolerance(tolerance: int) -> int:
    """Return `tolerance` as an int of at least 0, or raise."""
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, np.integer)):
        raise TypeError(f"tolerance={tolerance!r}: give a whole number of pixels.")
    if tolerance < 0:
        raise ValueError(f"tolerance={tolerance}: give 0 pixels or more.")
    return min(int(tolerance), 2**31)  # beyond any image


def _annotators(truth: Truths, shape: tuple[int, ...]) -> list[NDArray[np.integer]]:
    """Split a ground truth into one label image per annotator."""
    arrays: list[ArrayLike]
    if isinstance(truth, (list, tuple)) and _all_have_ndim(truth, len(shape)):
        arrays = list(truth)
    else:
        try:
            array = np.asarray(truth)
        except ValueError:
            shapes = ", ".join(str(as_array("truth", one).shape) for one in truth)  # type: ignore[union-attr]
            raise ValueError(
                f"truth of shapes {shapes}: labels have shape {shape}; give ground "
                "truths of the same shape."
            ) from None
        arrays = list(array) if array.ndim == len(shape) + 1 else [array]
    if not arrays or np.size(arrays[0]) == 0:
        raise ValueError("truth is empty: give the ground truth of an annotator.")
    checked = [_check_integers(np.asarray(array), "truth") for array in arrays]
    for array in checked:
        if array.shape != shape:
            raise ValueError(
                f"truth of shape {array.shape}: labels have shape {shape}; give ground "
                "truth of the same shape, or several in one more leading axis."
            )
    return checked


def _all_have_ndim(arrays: Sequence[ArrayLike], ndim: int) -> bool:
    return len(arrays) > 0 and all(
        as_array("truth", array).ndim == ndim for array in arrays
    )


def _channels(
    image: ArrayLike, channel_axis: int | None, shape: tuple[int, ...]
) -> NDArray[np.generic]:
    """Return `image` with its channels as the leading axis, or raise."""
    array = as_array("image", image)
    if array.dtype.kind not in "fbiu":
        raise TypeError(f"image of dtype {array.dtype}: give real numbers.")
    if channel_axis is None:
        array = array[np.newaxis]
    else:
        array = np.moveaxis(array, check_channel_axis(channel_axis, array.ndim), 0)
    if array.shape[1:] != shape or len(array) == 0:
        raise ValueError(
            f"image of shape {np.shape(image)}, channel_axis={channel_axis}: labels "
            f"have shape {shape}; give an image of the same shape but for channels."
        )
    return array


def _check_labels(labels: ArrayLike, name: str) -> NDArray[np.integer]:
    array = _check_integers(as_array(name, labels), name)
    if array.ndim not in (2, 3):
        raise ValueError(
            f"{name} of shape {array.shape}: give (row, column) or (plane, row, "
            "column)."
        )
    if array.size == 0:
        raise ValueError(f"{name} of shape {array.shape} is empty: give some pixels.")
    return array


def _check_integers(array: NDArray[np.generic], name: str) -> NDArray[np.integer]:
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} of dtype {array.dtype}: give a label image of integers."
        )
    return array  # type: ignore[return-value]


def _as_volume(codes: kernels.Codes) -> kernels.Codes:
    return codes.reshape((1,) * (3 - codes.ndim) + codes.shape)
