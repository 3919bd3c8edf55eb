"""The demo's window: a sample, the Superpixels widget, and its first result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari

    from napari_paf.widgets.superpixels import SuperpixelsWidget


def show_demo(sample: str, n_segments: int, **options: Any) -> None:
    """Open a viewer with a sample and its superpixels; return when it is closed.

    Parameters
    ----------
    sample : str
        One of `napari_paf.samples.list_samples`.
    n_segments : int
    **options
        Values of other parameters of the Superpixels widget, such as ``model``.
    """
    import napari

    open_demo(napari.Viewer(), sample, n_segments, **options)
    napari.run()


def open_demo(
    viewer: napari.Viewer, sample: str, n_segments: int, **options: Any
) -> SuperpixelsWidget:
    """Open the sample in `viewer`, dock the widget and start it."""
    viewer.open_sample("napari-paf", sample)
    widget: SuperpixelsWidget
    _, widget = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
    widget.n_segments.value = n_segments
    for name, value in options.items():
        getattr(widget, name).value = value
    widget.run()
    return widget
