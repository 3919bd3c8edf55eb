"""Closing a widget undoes every tie to a viewer that goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_paf
from napari_paf.widgets.common import warmup
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.superpixels.hierarchies import news

MANIFEST = PluginManifest.from_file(Path(napari_paf.__file__).parent / "napari.yaml")
WIDGETS = [widget.display_name for widget in MANIFEST.contributions.widgets or []]


def ties(viewer):
    """Return how often something is called, by everything that can call a widget."""
    viewer = unwrap(viewer)
    scene = getattr(viewer, "scene", viewer)  # since napari 0.9
    groups = {
        "viewer": viewer.events,
        "layers": viewer.layers.events,
        "selection": viewer.layers.selection.events,
        "dims": viewer.dims.events,
        "camera": scene.camera.events,
        **{layer.name: layer.events for layer in viewer.layers},
    }
    counts = {
        f"{name}.{event}": len(emitter.callbacks)
        for name, group in groups.items()
        for event, emitter in group.emitters.items()
    }
    for name in ("drag", "move", "wheel"):
        counts[name] = len(getattr(viewer, f"mouse_{name}_callbacks"))
    for bound in (viewer, *viewer.layers):
        counts[f"keys of {bound}"] = len(bound.keymap)
    counts["news"] = news.receivers(news.remembered)
    counts["models"] = warmup._loading.receivers(warmup._loading.ready)
    return counts


@pytest.mark.parametrize("name", WIDGETS)
def test_nothing_is_called_any_more(name, make_napari_viewer_proxy, grey, qtbot):
    viewer = make_napari_viewer_proxy(strict_qt="raise")
    viewer.add_image(grey, name="cells")
    viewer.add_shapes([[[2, 2], [12, 12]]], shape_type="rectangle", name="part")
    viewer.add_labels(grey // 32 + 1, name="cells superpixels")
    viewer.add_labels(grey // 64, name="cells labels")
    before = ties(viewer)
    _, widget = viewer.window.add_plugin_dock_widget("napari-paf", name)
    for box in ("image_layer", "labels_layer", "mask_layer", "region"):
        control = getattr(widget, box, None)
        if control is not None and len(control.choices):
            control.value = control.choices[-1]
    if hasattr(widget, "on"):
        widget.toggle()
    during = ties(viewer)
    assert sum(during.values()) > sum(before.values())
    gone = []
    widget.destroyed.connect(lambda: gone.append(True))
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: bool(gone))
    viewer.layers["cells"].name = "renamed"  # would call into the deleted widget
    viewer.layers["renamed"].name = "cells"
    qtbot.waitUntil(lambda: ties(viewer) == before)
