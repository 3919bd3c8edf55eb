"""The painter's keys: those bound are those listed, and they do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest
from qtpy.QtWidgets import QLabel

from napari_paf.widgets.painter.keys import KEYS

DOCUMENT = Path(__file__).parents[2] / "docs" / "painter.md"


@pytest.fixture
def painter(make_napari_viewer_proxy):
    """Return a viewer with superpixels, and the painter."""
    viewer = make_napari_viewer_proxy(strict_qt="raise")
    return viewer, open_painter(viewer)


def open_painter(viewer):
    squares = np.kron(np.arange(1, 21).reshape(4, 5), np.ones((6, 6), np.uint16))
    viewer.add_labels(squares.astype(np.uint16), name="cells superpixels")
    return viewer.window.add_plugin_dock_widget("napari-paf", "Superpixel painter")[1]


def press(viewer, key):
    """Do what napari does when a key is pressed."""
    viewer.keymap[next(bound for bound in viewer.keymap if str(bound) == key)](viewer)


def test_all_lists_agree(painter):
    viewer, widget = painter
    manifest = PluginManifest.from_distribution("napari-paf").contributions
    expected = [(key.command, key.key) for key in KEYS]
    assert [(one.command, one.key) for one in manifest.keybindings] == expected
    for one in manifest.keybindings:
        assert (one.mac, one.linux, one.win) == (one.key,) * 3
    names = {one.id: one.python_name for one in manifest.commands}
    shown = "\n".join(label.text() for label in widget.findChildren(QLabel))
    documented = DOCUMENT.read_text("utf-8")
    for key in KEYS:
        assert names[key.command].endswith(f"painter.commands:{key.method}")
        assert re.search(rf">{re.escape(key.key)}[^<]*</td><td>{key.does}<", shown)
        assert f"\n| {key.key} | " in documented
    assert {str(bound) for bound in viewer.keymap} == {key.key for key in KEYS}


def test_keys_are_free_in_napari():
    from napari.utils.shortcuts import default_shortcuts

    taken = {
        str(key)
        for action, keys in default_shortcuts.items()
        if "label" in action or "viewer" in action
        for key in keys
    }
    assert "M" in taken
    assert not taken & {key.key for key in KEYS}


def test_keys_paint_and_refine(painter, monkeypatch):
    viewer, widget = painter
    refined = []
    monkeypatch.setattr(
        widget, "refine", lambda position, finer: refined.append((position, finer))
    )
    press(viewer, ".")  # nothing is painted yet
    press(viewer, "S")
    assert widget.on.isChecked()
    widget._cursor = (3.0, 4.0)
    press(viewer, ".")
    press(viewer, ",")
    assert refined == [((3.0, 4.0), True), ((3.0, 4.0), False)]
    press(viewer, "S")
    assert not widget.on.isChecked()


def test_commands_open_the_painter(make_napari_viewer_proxy):
    from napari_paf.widgets.painter import commands

    viewer = make_napari_viewer_proxy(strict_qt="raise")
    commands.toggle(viewer)  # there is nothing to paint with
    widget = open_painter(viewer)
    assert not widget.on.isChecked()
    commands.toggle(viewer)
    assert widget.on.isChecked()
    commands.finer(viewer)
    commands.coarser(viewer)


def test_keys_are_given_back(painter, qtbot):
    viewer, widget = painter
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: not viewer.keymap)


def test_keys_of_the_user_stay(make_napari_viewer_proxy, qtbot):
    viewer = make_napari_viewer_proxy(strict_qt="raise")
    pressed = []
    viewer.bind_key("S", lambda viewer: pressed.append("S"))
    widget = open_painter(viewer)
    press(viewer, "S")
    assert pressed == ["S"]
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: len(viewer.keymap) == 1)
