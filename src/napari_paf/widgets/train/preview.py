"""The layer that shows how good the best model is by now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_paf.widgets.common.layers import moved, placement
from napari_paf.widgets.common.plane import plane_in_view
from napari_paf.widgets.common.records import KEY
from napari_paf.widgets.train.pairs import PREVIEW

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image
    from numpy.typing import NDArray

    from napari_paf._progress import Progress

LONGEST = 1024  # pixels along each axis of what is shown


@dataclass(frozen=True)
class PreviewJob:
    """A part of an image, and how to divide it; used in the worker."""

    data: Any
    index: tuple[int | slice, ...]
    rgb: bool
    spacing: tuple[float, ...] | None
    n_segments: int

    def read(self) -> tuple[NDArray[Any], int | None]:
        """Return a copy of the pixels and their channel axis; may take long."""
        pixels = np.array(self.data[self.index])
        return (pixels[..., :3], -1) if self.rgb else (pixels, None)

    def __call__(
        self,
        pixels: tuple[NDArray[Any], int | None],
        model: Any,
        device: str,
        progress: Progress,
    ) -> NDArray[Any]:
        """Return the superpixels that a model gives."""
        from napari_paf.pipeline import superpixels

        image, channel_axis = pixels
        shape = image.shape if channel_axis is None else image.shape[:-1]
        return superpixels(
            image,
            min(self.n_segments, int(np.prod(shape))),
            model=model,
            channel_axis=channel_axis,
            spacing=self.spacing,
            device=device,
            n_threads=1,
            progress=progress,
        )


class Preview:
    """The preview in the viewer; used in the window's thread only.

    Shows the plane that is in view when the training starts, of large images
    the middle. When somebody removes the layer, it stays away.
    """

    def __init__(self, viewer: Viewer, image: Image, n_segments: int) -> None:
        plane = plane_in_view(image, viewer.dims)
        middle = tuple(
            at if isinstance(at, int) else _middle(length)
            for at, length in zip(plane.index, plane.stack_shape, strict=True)
        )
        self.job = PreviewJob(plane.data, middle, plane.rgb, plane.spacing, n_segments)
        self._viewer = viewer
        origin = tuple(at if isinstance(at, int) else at.start for at in middle)
        self._place = moved(placement(image), origin)
        self._axes = tuple(i for i, at in enumerate(middle) if isinstance(at, int))
        self._name = f"{image.name} {PREVIEW}"
        self.layer: Labels | None = None

    def show(self, superpixels: NDArray[Any]) -> None:
        """Show other superpixels in the same layer."""
        data = np.expand_dims(superpixels, self._axes)
        if self.layer is not None:
            if self.layer in self._viewer.layers:
                self.layer.data = data
            return
        record = {"function": PREVIEW}
        self.layer = Labels(
            data, name=self._name, metadata={KEY: record}, **self._place
        )
        self.layer.contour = 1
        chosen = set(self._viewer.layers.selection)
        self._viewer.add_layer(self.layer)
        self.layer.editable = False  # it would be overwritten
        # The user goes on with what was chosen before.
        self._viewer.layers.selection = chosen

    def finish(self, *, keep: bool) -> None:
        """Let go of the layer."""
        layer, self.layer = self.layer, None
        if layer is None or layer not in self._viewer.layers:
            return
        if keep:
            layer.editable = True
        else:
            self._viewer.layers.remove(layer)


def _middle(length: int) -> slice:
    start = max(0, (length - LONGEST) // 2)
    return slice(start, min(length, start + LONGEST))
