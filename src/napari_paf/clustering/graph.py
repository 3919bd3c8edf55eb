"""The pixel graph: one flat array of edge weights that the kernels walk over.

Pixels are numbered in raster order and edges ``(pixel << slot_bits) + k``, a
power of two for every pixel, so the weight of an edge, its two pixels and its
place in the tie order all follow from its number by shifts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_paf._offsets import Offset, edge_slices, neighbour_offsets
from napari_paf.clustering._tree import find_ends

ABSENT = -1.0
"""Weight of an edge that leads outside the image or the mask."""


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
    mask: NDArray[np.bool_] | None = None,
) -> PixelGraph:
    """Lay out affinities edge by edge, diagonals derived where they are missing.

    Parameters
    ----------
    affinity : (n, *spatial) ndarray of float32 or float64
        Checked affinities: one channel per axis or one per neighbour offset.
    connectivity : int
        1 to the number of spatial axes.
    mask : (*spatial,) ndarray of bool, optional
        Pixels to cluster. Default: all.

    Returns
    -------
    graph : PixelGraph
    """
    shape = affinity.shape[1:]
    offsets = neighbour_offsets(len(shape), connectivity)
    derived = len(affinity) < len(offsets)
    slot_bits = (len(offsets) - 1).bit_length()
    weights = np.full(
        (*shape, 1 << slot_bits), ABSENT, np.float64 if derived else affinity.dtype
    )
    for k, offset in enumerate(offsets):
        first, second = edge_slices(offset)
        if k < len(affinity):
            weights[..., k][first] = affinity[k][first]
        else:
            weights[..., k][first] = _diagonal_affinity(affinity, offset)
        if mask is not None:
            weights[..., k][first][~(mask[first] & mask[second])] = ABSENT
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
