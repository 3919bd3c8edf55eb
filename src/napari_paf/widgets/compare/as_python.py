"""The lines of Python that measure again what the Compare widget measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_paf.widgets.compare import CompareWidget

_PARAMETERS = ("extent", "unlabelled", "tolerance", "leaks")


def as_python(widget: CompareWidget, step: tuple[Any, ...]) -> str:
    """Return a script, for napari's console, that does what the button does.

    Parameters
    ----------
    widget : CompareWidget
        With something to measure.
    step : tuple of int
        Where the viewer is, if a plane of a stack is measured; empty otherwise.

    Returns
    -------
    code : str
        It drives the widget: that reads planes and parts as the widget does.
    """
    image = widget.image_layer.value
    lines = []
    if step:
        lines.append(f"viewer.dims.current_step = {tuple(int(at) for at in step)}")
    lines += [
        "_, widget = viewer.window.add_plugin_dock_widget(",
        '    "napari-paf", "Compare with ground truth"',
        ")",
        f"widget.labels_layer.value = {_layers(widget.labels_layer.value)}",
        f"widget.truth_layer.value = {_layers(widget.truth_layer.value)}",
        "widget.image_layer.value = "
        + ("None" if image is None else f"viewer.layers[{image.name!r}]"),
    ]
    for name in _PARAMETERS:
        lines.append(f"widget.{name}.value = {getattr(widget, name).value!r}")
    lines += ["widget.run()", "# When widget.worker is None: widget.results"]
    return "\n".join(lines) + "\n"


def _layers(layers: list[Any]) -> str:
    return "[" + ", ".join(f"viewer.layers[{layer.name!r}]" for layer in layers) + "]"
