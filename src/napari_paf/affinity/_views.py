"""2-D networks on volumes: planes in three orientations, at their true proportions.

Each orientation gives the affinities between the pixels of its planes; together
they give those along all axes and across the diagonals of the faces. Where pixels
are longer along one axis, planes are stretched to their true proportions first, and
what lies between two original pixels is as strong as its weakest step.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from napari_paf._offsets import Offset, neighbour_offsets
from napari_paf._progress import Progress, part

if TYPE_CHECKING:
    from napari_paf.affinity._tiles import TiledNetwork

MOST_STRETCH = 8
"""Limit of stretching: beyond it, interpolated planes hold nothing new."""


@dataclass(frozen=True)
class View:
    """One orientation of planes in an image.

    Attributes
    ----------
    axes : (int, int)
        Axes of the image that are the rows and columns of the planes.
    stretch : (int, int)
        How many steps of the stretched plane make one of the image, along each.
    """

    axes: tuple[int, int]
    stretch: tuple[int, int]

    def offset(self, in_plane: Offset, ndim: int) -> Offset:
        """Return an offset within the plane as one of the image."""
        offset = [0] * ndim
        for axis, step in zip(self.axes, in_plane, strict=True):
            offset[axis] = step
        return tuple(offset)


def views_of(spacing: tuple[float, ...]) -> list[View]:
    """Return the orientations of planes in an image with pixels of size `spacing`.

    Examples
    --------
    >>> views_of((1.0, 1.0))
    [View(axes=(0, 1), stretch=(1, 1))]
    >>> views_of((5.0, 1.0, 1.0))[0]
    View(axes=(0, 1), stretch=(5, 1))
    """
    return [
        View(axes, stretch_of(spacing[axes[0]], spacing[axes[1]]))
        for axes in itertools.combinations(range(len(spacing)), 2)
    ]


def stretch_of(row: float, column: float) -> tuple[int, int]:
    """Return how many times longer than wide pixels of a plane are, along each axis."""
    least = min(row, column)
    return (
        min(round(row / least), MOST_STRETCH),
        min(round(column / least), MOST_STRETCH),
    )


def predict_by_planes(
    network: TiledNetwork,
    offsets: tuple[Offset, ...],
    prepared: NDArray[np.float32],
    spacing: tuple[float, ...],
    progress: Progress,
) -> NDArray[np.float32]:
    """Return affinities of an image from those of its planes.

    Where two orientations see the same edge, the one with less stretching counts;
    of equals the mean.

    Parameters
    ----------
    network : TiledNetwork
        Of a 2-D network with these `offsets`.
    offsets : tuple of tuple of int
        Within a plane.
    prepared : (channel, [plane,] row, column) ndarray of float32
        What the network's `prepare` has made of the whole image.
    spacing : tuple of float
        Size of a pixel along each axis, as multiples of the least.
    progress : callable

    Returns
    -------
    affinity : (n_offsets, [plane,] row, column) ndarray of float32
        To the neighbours along the axes and, if the network predicts diagonals,
        across the faces.
    """
    shape = prepared.shape[1:]
    ndim, views = len(shape), views_of(spacing)
    # Across a single pixel there is nothing to see.
    views = [v for v in views if all(shape[axis] > 1 for axis in v.axes)] or views
    if ndim == 2 and views == [View((0, 1), (1, 1))]:  # one plane, seen as it is
        whole: NDArray[np.float32] = network(prepared[np.newaxis], progress)[0]
        return whole
    connectivity = 2 if len(offsets) > 2 else 1
    targets = {o: k for k, o in enumerate(neighbour_offsets(ndim, connectivity))}
    seen_by = {
        target: [v for v in views for o in offsets if v.offset(o, ndim) == target]
        for target in targets
    }
    affinity = np.zeros((len(targets), *shape), np.float32)
    for number, view in enumerate(views):
        report = part(progress, number / len(views), (number + 1) / len(views))
        shares = []
        for offset in offsets:
            rivals = seen_by[view.offset(offset, ndim)]
            least = min(max(rival.stretch) for rival in rivals)
            best = [rival for rival in rivals if max(rival.stretch) == least]
            shares.append(1 / len(best) if view in best else 0.0)
        if not any(shares):
            continue
        for planes, values in _predict_view(network, offsets, prepared, view, report):
            for k, (offset, share) in enumerate(zip(offsets, shares, strict=True)):
                if share:
                    channel = affinity[targets[view.offset(offset, ndim)]]
                    stack = _across_first(channel, view)
                    stack[planes] += np.float32(share) * values[:, k]
    return affinity


def _predict_view(
    network: TiledNetwork,
    offsets: tuple[Offset, ...],
    prepared: NDArray[np.float32],
    view: View,
    progress: Progress,
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield slices of planes and their affinities (plane, offset, row, column)."""
    channels = [_across_first(channel, view) for channel in prepared]
    n_planes = len(channels[0])
    for start in range(0, n_planes, network.n_planes):
        planes = slice(start, min(start + network.n_planes, n_planes))
        report = part(progress, planes.start / n_planes, planes.stop / n_planes)
        stack = np.stack([channel[planes] for channel in channels], axis=1)
        stretched = network(stretch_planes(stack, view.stretch), report)
        yield planes, _unstretch(stretched, offsets, view.stretch)


def _across_first(image: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Return an image as a stack (plane, row, column) of the planes of a view."""
    if image.ndim == 2:
        return image[np.newaxis]
    (across,) = set(range(3)) - set(view.axes)
    return np.moveaxis(image, across, 0)


def stretch_planes(
    planes: NDArray[np.float32], stretch: tuple[int, int]
) -> NDArray[np.float32]:
    """Return planes (..., row, column) with interpolated rows and columns between."""
    if stretch == (1, 1):
        return np.ascontiguousarray(planes)
    lengths = zip(planes.shape[2:], stretch, strict=True)
    size = [(n - 1) * factor + 1 for n, factor in lengths]
    tensor = torch.from_numpy(np.ascontiguousarray(planes))
    stretched: NDArray[np.float32] = F.interpolate(
        tensor, size, mode="bilinear", align_corners=True
    ).numpy()
    return stretched


def _unstretch(
    affinity: NDArray[np.float32],
    offsets: tuple[Offset, ...],
    stretch: tuple[int, int],
) -> NDArray[np.float32]:
    """Return the affinities between the original pixels of stretched planes.

    A long step is made of small ones: straight along the stretched axis, the last
    one in the direction of the offset.
    """
    if stretch == (1, 1):
        return affinity
    axis = 0 if stretch[0] > 1 else 1
    factor = stretch[axis]
    # Look along the stretched axis: (plane, offset, stretched, other).
    fine = affinity if axis == 0 else affinity.swapaxes(2, 3)
    straight = fine[:, offsets.index((1, 0) if axis == 0 else (0, 1))]
    n = (fine.shape[2] - 1) // factor + 1
    coarse = np.zeros((*fine.shape[:2], n, fine.shape[3]), np.float32)
    for k, offset in enumerate(offsets):
        along = offset[axis]
        if along == 0:
            coarse[:, k] = fine[:, k, ::factor]
        elif along > 0:  # from i * factor up to (i + 1) * factor
            weakest = fine[:, k, factor - 1 :: factor]
            for step in range(factor - 1):
                weakest = np.minimum(weakest, straight[:, step:-1:factor])
            coarse[:, k, :-1] = weakest
        else:  # from (i + 1) * factor down to i * factor
            weakest = fine[:, k, 1::factor]
            for step in range(1, factor):
                weakest = np.minimum(weakest, straight[:, step:-1:factor])
            coarse[:, k, 1:] = weakest
    return coarse if axis == 0 else coarse.swapaxes(2, 3)
