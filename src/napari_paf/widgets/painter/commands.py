"""The painter's commands, for napari's command palette."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.viewer import Viewer  # noqa: TC002 - napari reads the annotations

if TYPE_CHECKING:
    from napari_paf.widgets.painter.widget import PainterWidget


def _painter(viewer: Viewer) -> PainterWidget:
    """Return the viewer's painter; it is opened if it is not."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixel painter")
    return widget  # type: ignore[no-any-return]


def toggle(viewer: Viewer) -> None:
    """Start or stop painting with superpixels."""
    _painter(viewer).toggle()


def finer(viewer: Viewer) -> None:
    """Make the superpixel under the cursor finer."""
    _painter(viewer).finer()


def coarser(viewer: Viewer) -> None:
    """Make the superpixel under the cursor coarser."""
    _painter(viewer).coarser()
