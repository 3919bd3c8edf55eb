"""The pixel graph: one flat array of edge weights that the kernels walk over.

Pixels are numbered in raster order and edges ``(pixel << slot_bits) + k``, a
power of two for every pixel, so the weight of an edge, its two pixels and its
place in the tie order all follow from its number by shifts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_paf._offsets import Offset, edge_slices, neighbour_offsets
from napari_paf._progress import Progress
from napari_paf.clustering._threads import PIECE, call_each, pieces
from napari_paf.clustering._tree import find_ends, join_neighbours

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

ABSENT = -math.inf
"""Weight of an edge that leads outside the image or the mask."""

_SLAB = 2**16
"""Pixels whose edges are laid out at a time: what is worked in fits a cache."""


@dataclass(frozen=True)
class PixelGraph:
    """The neighbour graph of an image.

    Attributes
    ----------
    shape : tuple of int
        Shape of the image.
    weights : (n_pixels << slot_bits,) ndarray of float32 or float64
        Affinity of every edge, `ABSENT` where there is none.
    slot_bits : int
        Each pixel has ``2 ** slot_bits`` places for edges.
    offsets : tuple of tuple of int
        From the first pixel of an edge to its second.
    steps : (n_offsets,) ndarray of int64
        The same as raster distances.
    n_inside : int
        Number of pixels inside the mask.
    mask : (*shape,) ndarray of bool, or None
        Pixels to cluster; None for all.
    """

    shape: tuple[int, ...]
    weights: NDArray[np.floating]
    slot_bits: int
    offsets: tuple[Offset, ...]
    steps: NDArray[np.int64]
    n_inside: int
    mask: NDArray[np.bool_] | None

    @property
    def n_pixels(self) -> int:
        """Number of pixels of the image, inside the mask or not."""
        return math.prod(self.shape)


def build_graph(
    affinity: NDArray[np.floating],
    connectivity: int,
    mask: NDArray[np.bool_] | None,
    pool: ThreadPoolExecutor,
    report: Progress,
) -> PixelGraph:
    """Lay out affinities edge by edge, diagonals derived where they are missing.

    Parameters
    ----------
    affinity : (n, *spatial) ndarray of float32 or float64
        Checked affinities: one channel per axis or one per neighbour offset.
    connectivity : int
        1 to the number of spatial axes.
    mask : (*spatial,) ndarray of bool, or None
        Pixels to cluster; None for all.
    pool : ThreadPoolExecutor
        The threads that do it.
    report : callable
        Called as ``report(fraction, description)``; raise from it to cancel.

    Returns
    -------
    graph : PixelGraph
    """
    shape = affinity.shape[1:]
    offsets = neighbour_offsets(len(shape), connectivity)
    derived = len(affinity) < len(offsets)
    slot_bits = (len(offsets) - 1).bit_length()
    weights = np.empty(
        (*shape, 1 << slot_bits), np.float64 if derived else affinity.dtype
    )
    rows = pieces(shape[0], max(1, _SLAB // math.prod(shape[1:])))
    slabs = [(affinity, offsets, mask, *slab, weights) for slab in rows]
    call_each(pool, _fill_slab, slabs, report, "laying out edges")
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    steps = [
        sum(o * s for o, s in zip(offset, strides, strict=True)) for offset in offsets
    ]
    return PixelGraph(
        shape=shape,
        weights=weights.reshape(-1),
        slot_bits=slot_bits,
        offsets=offsets,
        steps=np.array(steps, np.int64),
        n_inside=math.prod(shape) if mask is None else int(np.count_nonzero(mask)),
        mask=mask,
    )


def _fill_slab(
    affinity: NDArray[np.floating],
    offsets: tuple[Offset, ...],
    mask: NDArray[np.bool_] | None,
    start: int,
    stop: int,
    weights: NDArray[np.floating],
) -> None:
    """Lay out the edges of the pixels from `start` to `stop` along the first axis."""
    weights[start:stop] = ABSENT
    for k, offset in enumerate(offsets):
        # What lies within the slab and, along the offset, beside it.
        low, high = min(offset[0], 0), max(offset[0], 0)
        begin, end = max(start, -low), min(stop, len(weights) - high)
        if begin >= end:
            continue
        needed = slice(begin + low, end + high)
        channels = affinity[:, needed]
        first, second = edge_slices(offset)
        if k < len(affinity):
            values = channels[k][first]
        else:
            values = _diagonal_affinity(channels, offset)
        if mask is not None:
            both = mask[needed][first] & mask[needed][second]
            values = np.where(both, values, ABSENT)
        weights[begin:end, ..., k][(slice(None), *first[1:])] = values


def count_islands(graph: PixelGraph, report: Progress) -> int:
    """Return the least number of superpixels: one for each part of the mask."""
    if graph.mask is None:
        return 1
    parent = np.arange(graph.n_pixels, dtype=np.int32)
    edges = (graph.weights, graph.slot_bits, graph.steps)
    n_islands = graph.n_inside
    for start, stop in pieces(graph.n_pixels, PIECE):
        report(start / graph.n_pixels, "counting islands")
        n_islands -= join_neighbours(*edges, parent, start, stop)
    return n_islands


def edge_ends(graph: PixelGraph, edge: NDArray[np.signedinteger]) -> NDArray[np.int32]:
    """Return the raster indices of the two pixels of each edge, as (n_edges, 2)."""
    ends = np.empty((len(edge), 2), np.int32)
    find_ends(edge, graph.slot_bits, graph.steps, ends)
    return ends


def _diagonal_affinity(
    affinity: NDArray[np.floating], offset: Offset
) -> NDArray[np.float64]:
    """Derive a diagonal from the faces, as the reference program does.

    A diagonal of `d` axes spans a box. It is as strong as the weakest axis of
    the box, an axis being the mean of its ``2 ** (d - 1)`` parallel edges, times
    ``1 / sqrt(d)`` for the distance.
    """
    axes = [axis for axis, step in enumerate(offset) if step]
    weakest: NDArray[np.float64] | None = None
    for axis in axes:
        channel = affinity[len(offset) - 1 - axis].astype(np.float64)
        window = tuple(slice(0, -1) if a == axis else slice(None) for a in axes)
        box: list[slice] = [slice(None)] * len(offset)
        for a, part in zip(axes, window, strict=True):
            box[a] = part
        mean = channel[tuple(box)]
        for other in axes:
            if other != axis:
                low: list[slice] = [slice(None)] * len(offset)
                high: list[slice] = [slice(None)] * len(offset)
                low[other], high[other] = slice(0, -1), slice(1, None)
                mean = (mean[tuple(low)] + mean[tuple(high)]) / 2
        weakest = mean if weakest is None else np.minimum(weakest, mean)
    assert weakest is not None  # a diagonal has at least two axes
    return weakest / math.sqrt(len(axes))
