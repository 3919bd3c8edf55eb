"""Closing a widget undoes every tie to a viewer that goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from npe2 import PluginManifest
from npe2.manifest.utils import import_python_name

import napari_paf
from napari_paf.widgets.common import warmup
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.superpixels.hierarchies import news

MANIFEST = PluginManifest.from_file(Path(napari_paf.__file__).parent / "napari.yaml")
NAMES = {one.id: one.python_name for one in MANIFEST.contributions.commands or []}
CLASSES = {
    widget.display_name: import_python_name(NAMES[widget.command])
    for widget in MANIFEST.contributions.widgets or []
}


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


@pytest.fixture
def viewer(make_napari_viewer_proxy, grey):
    """Return a viewer with something for every widget."""
    viewer = make_napari_viewer_proxy(strict_qt="raise")
    viewer.add_image(grey, name="cells")
    viewer.add_shapes([[[2, 2], [12, 12]]], shape_type="rectangle", name="part")
    viewer.add_labels(grey // 32 + 1, name="cells superpixels")
    viewer.add_labels(grey // 64, name="cells labels")
    return viewer


def use(widget):
    """Choose whatever can be chosen, so that it is followed."""
    for box in ("image_layer", "labels_layer", "mask_layer", "region"):
        control = getattr(widget, box, None)
        if control is not None and len(control.choices):
            control.value = control.choices[-1]


def wait_until_gone(viewer, before, qtbot):
    qtbot.waitUntil(lambda: ties(viewer) == before)
    viewer.layers["cells"].name = "renamed"  # would call into the deleted widget


@pytest.mark.parametrize("name", CLASSES)
def test_a_widget_that_is_closed(name, viewer, qtbot):
    before = ties(viewer)
    _, widget = viewer.window.add_plugin_dock_widget("napari-paf", name)
    use(widget)
    if hasattr(widget, "toggle"):
        widget.toggle()
    assert sum(ties(viewer).values()) > sum(before.values())
    viewer.window.remove_dock_widget(widget)
    wait_until_gone(viewer, before, qtbot)


@pytest.mark.parametrize("name", CLASSES)
def test_a_widget_that_qt_deletes(name, viewer, qtbot):
    before = ties(viewer)
    widget = CLASSES[name](viewer)
    use(widget)
    assert sum(ties(viewer).values()) > sum(before.values())
    widget.deleteLater()
    wait_until_gone(viewer, before, qtbot)
