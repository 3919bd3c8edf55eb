"""What a run of the Superpixels widget computes, fixed when it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf._progress import part
from napari_paf._version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_paf._progress import Progress
    from napari_paf.clustering.hierarchy import SuperpixelHierarchy
    from napari_paf.widgets._layers import Mask, Plane


@dataclass(frozen=True)
class Computed:
    """The outcome of a run: labels at every number, and how the run went."""

    labels: NDArray[Any]
    hierarchy: SuperpixelHierarchy
    changed: bool
    seconds: float


@dataclass(frozen=True)
class Request:
    """The arguments of a run; calling it does the work, in any thread."""

    plane: Plane
    mask: Mask | None
    channels: str
    n_segments: int
    model: Any
    balance: float
    connectivity: int
    device: str

    def __call__(self, progress: Progress) -> Computed:
        """Read the image and compute its superpixels."""
        start = time.perf_counter()
        progress(0, "Loading PyTorch and Numba")
        from napari_paf.pipeline import superpixel_hierarchy

        progress(0.02, "Reading the image")
        image, channel_axis = self.plane.read(self.channels)
        if self.plane.in_memory:
            image = image.copy()  # the layer may be edited during the run
        hierarchy = superpixel_hierarchy(
            image,
            self.n_segments,
            model=self.model,
            balance=self.balance,
            connectivity=self.connectivity,
            channel_axis=channel_axis,
            mask=None if self.mask is None else self.mask.read().copy(),
            device=self.device,
            progress=part(progress, 0.05, 0.99),
        )
        labels = hierarchy.labels(self.n_segments)
        changed = self.plane.in_memory and not np.array_equal(
            image, self.plane.read(self.channels)[0]
        )
        return Computed(labels, hierarchy, changed, time.perf_counter() - start)

    def record(self) -> dict[str, Any]:
        """Return all that is needed to compute the same superpixels again."""
        index = self.plane.index
        model = self.model
        if not isinstance(model, str):
            model = str(model) if isinstance(model, Path) else model.name
        return {
            "function": "superpixels",
            "version": __version__,
            "plane": list(self.plane.position),
            "plane_axes": [i for i, at in enumerate(index) if isinstance(at, slice)],
            "channels": self.channels if self.plane.rgb else None,
            "n_segments": self.n_segments,
            "model": model,
            "balance": self.balance,
            "connectivity": self.connectivity,
            "mask_layer": None if self.mask is None else self.mask.name,
            "device": self.device,
        }
