"""What a run of the Superpixels widget computes, fixed when it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_paf._progress import part
from napari_paf._validation import check_mask
from napari_paf._version import __version__
from napari_paf.widgets.superpixels.inside import inside_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_paf._progress import Progress
    from napari_paf.clustering.hierarchy import SuperpixelHierarchy
    from napari_paf.widgets.common.plane import Mask, Plane
    from napari_paf.widgets.common.region import Box


class Hierarchy(Protocol):
    """Labels at every number of superpixels."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of the labels."""

    def labels(self, n_segments: int) -> NDArray[Any]:
        """Return `n_segments` superpixels."""


@dataclass(frozen=True)
class PlaneHierarchies:
    """The hierarchies of the planes of a stack, as one.

    Attributes
    ----------
    planes : list of SuperpixelHierarchy or None
        One for each plane, in raster order; None where nothing is inside.
    shape : tuple of int
        Numbers of planes along the other axes, then the shape of a plane.
    loop : tuple of int
        Where the axes of planes lie among all of them.
    unique : bool
        Whether labels go on counting from plane to plane.
    """

    planes: list[SuperpixelHierarchy | None]
    shape: tuple[int, ...]
    loop: tuple[int, ...]
    unique: bool

    def labels(self, n_segments: int) -> NDArray[Any]:
        """Return the labels of all planes, `n_segments` in each."""
        n_planes = len(self.planes)
        most = n_segments * (n_planes if self.unique else 1)
        dtype = np.uint16 if most <= np.iinfo(np.uint16).max else np.uint32
        stack = np.zeros((n_planes, *self.shape[len(self.loop) :]), dtype)
        for number, hierarchy in enumerate(self.planes):
            if hierarchy is None:
                continue
            stack[number] = hierarchy.labels(n_segments)
            if self.unique:
                stack[number][stack[number] > 0] += dtype(number * n_segments)
        places = range(len(self.loop))
        return np.moveaxis(stack.reshape(self.shape), places, self.loop)


@dataclass(frozen=True)
class Computed:
    """The outcome of a run: labels at every number, and how the run went."""

    labels: NDArray[Any]
    hierarchy: Hierarchy
    changed: bool
    seconds: float


@dataclass(frozen=True)
class Request:
    """The arguments of a run; calling it does the work, in any thread."""

    plane: Plane
    mask: Mask | None
    box: Box | None
    channels: str | int
    n_segments: int
    model: Any
    balance: float | None
    connectivity: int
    device: str
    unique: bool = True
    axes: str = ""
    channel_layers: tuple[tuple[str, str], ...] = ()  # names and ids of those beside

    def __call__(self, progress: Progress) -> Computed:
        """Read the image and compute its superpixels."""
        start = time.perf_counter()
        progress(0, "Loading PyTorch and Numba")
        from napari_paf.pipeline import superpixel_hierarchy

        hierarchies: list[SuperpixelHierarchy | None] = []
        changed = False
        n_planes = self.plane.n_planes
        for number, plane in enumerate(self.plane.planes()):
            first = 0.02 + 0.97 * number / n_planes
            which = f", plane {number + 1} of {n_planes}" if n_planes > 1 else ""
            progress(first, f"Reading the image{which}")
            image, channel_axis = plane.read(self.channels)
            if plane.in_memory and not plane.of_layers:  # which are copied to be read
                image = image.copy()  # the layer may be edited during the run
            mask = inside_of(plane, self.mask, self.box)
            if self.plane.loop and mask is not None and not mask.any():
                hierarchies.append(None)
                continue
            share = part(progress, first, 0.02 + 0.97 * (number + 1) / n_planes)

            def report(
                fraction: float, text: str, which: str = which, share: Any = share
            ) -> None:
                share(fraction, f"{text}{which}")

            hierarchies.append(
                superpixel_hierarchy(
                    image,
                    self.n_segments,
                    model=self.model,
                    balance=self.balance,
                    connectivity=self.connectivity,
                    channel_axis=channel_axis,
                    mask=mask,
                    spacing=plane.spacing,
                    device=self.device,
                    progress=report,
                )
            )
            changed |= plane.in_memory and not np.array_equal(
                image, plane.read(self.channels)[0]
            )
        hierarchy = self._together(hierarchies)
        labels = hierarchy.labels(self.n_segments)
        return Computed(labels, hierarchy, changed, time.perf_counter() - start)

    def _together(self, hierarchies: list[SuperpixelHierarchy | None]) -> Hierarchy:
        plane = self.plane
        if not plane.loop:
            assert hierarchies[0] is not None
            return hierarchies[0]
        # Only a mask can leave all planes empty: the sentence is that of masks.
        check_mask([each is not None for each in hierarchies], (plane.n_planes,))
        slices = [i for i, p in enumerate(plane.index) if isinstance(p, slice)]
        lengths = (plane.stack_shape[axis] for axis in plane.loop)
        return PlaneHierarchies(
            hierarchies,
            (*lengths, *plane.shape),
            tuple(slices.index(axis) for axis in plane.loop),
            self.unique,
        )

    def record(self) -> dict[str, Any]:
        """Return all that is needed to compute the same superpixels again."""
        plane, model = self.plane, self.model
        if not isinstance(model, str):
            model = str(model) if isinstance(model, Path) else model.name
        window = [
            [axis, *plane.index[axis].indices(plane.stack_shape[axis])[:2]]  # type: ignore[union-attr]
            for axis in plane.spatial
        ]
        channels: str | int | None = None
        if plane.of_layers:
            channels = "layers"
        elif plane.rgb or plane.channel_axis is not None:
            channels = self.channels
        return {
            "function": "superpixels",
            "version": __version__,
            "plane": list(plane.position),
            "plane_axes": list(plane.spatial),
            "axes": self.axes,
            "loop_axes": list(plane.loop),
            "channel_axis": plane.channel_axis,
            "channels": channels,
            "channel_layers": [name for name, _ in self.channel_layers],
            "channel_layers_id": [layer_id for _, layer_id in self.channel_layers],
            "window": window if plane.bounded else None,
            "zoom": list(plane.zoom),
            "spacing": None if plane.spacing is None else list(plane.spacing),
            "n_segments": self.n_segments,
            "model": model,
            "balance": self.balance,
            "connectivity": self.connectivity,
            "mask_layer": None if self.mask is None else self.mask.name,
            "mask_layer_id": None if self.mask is None else self.mask.layer_id,
            "region": None if self.box is None else self.box.name or "view",
            "outlines": None
            if self.box is None
            else [_as_lists(outline) for outline in self.box.outlines],
            "unique": self.unique,
            "device": self.device,
        }


def _as_lists(outline: NDArray[np.float64]) -> list[list[float | None]]:
    """Return points as they can be saved: None for NaN, which JSON does not know."""
    return [[None if at != at else at for at in point] for point in outline.tolist()]
