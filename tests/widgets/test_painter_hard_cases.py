"""Painting while layers and viewers come and go, and on unusual layers."""

from __future__ import annotations

from types import SimpleNamespace

import dask.array as da
import numpy as np
import pytest

from napari_paf.widgets.painter.hover import NAME
from napari_paf.widgets.painter.target import NO_SUPERPIXELS, NOT_IN_MEMORY

GRID = np.kron(np.arange(1, 21).reshape(4, 5), np.ones((6, 6), int)).astype(np.uint16)


@pytest.fixture
def painter(make_napari_viewer_proxy):
    """Return a function that opens a viewer with layers and the painter."""

    def painter_(superpixels, target=None, **options):
        viewer = make_napari_viewer_proxy(strict_qt="raise")
        viewer.add_labels(superpixels, name="superpixels", **options)
        if target is not None:
            viewer.add_labels(target, name="objects", **options)
        _, widget = viewer.window.add_plugin_dock_widget(
            "napari-paf", "Superpixel painter"
        )
        choose(widget, "superpixels_layer", "superpixels")
        if target is not None:
            choose(widget, "labels_layer", "objects")
        return viewer, widget

    return painter_


def choose(widget, box, name):
    box = getattr(widget, box)
    (box.value,) = [x for x in box.choices if x is not None and x.name == name]


def stroke(viewer, widget, start):
    """Press the mouse, and return a function that moves it or lets go."""
    event = SimpleNamespace(type="mouse_press", position=start, modifiers=(), button=1)
    steps = widget._drag(viewer, event)
    next(steps)

    def move(position, kind="mouse_move"):
        event.type, event.position = kind, position
        next(steps, None)

    return move


def test_renamed_and_reordered_in_the_middle_of_a_stroke(painter):
    viewer, widget = painter(GRID, np.zeros_like(GRID))
    widget.on.setChecked(True)
    move = stroke(viewer, widget, (2, 2))
    viewer.layers["objects"].name = "renamed"
    viewer.layers.move(0, 2)
    move((2, 8))
    painted = viewer.layers["renamed"].data
    np.testing.assert_array_equal(painted > 0, (GRID == 1) | (GRID == 2))


@pytest.mark.parametrize("removed", ["superpixels", "objects"])
def test_removed_in_the_middle_of_a_stroke(painter, removed):
    viewer, widget = painter(GRID, np.zeros_like(GRID))
    widget.on.setChecked(True)
    move = stroke(viewer, widget, (2, 2))
    viewer.layers.remove(removed)
    move((2, 8))
    assert not widget.on.isChecked() or removed == "objects"
    names = {"superpixels", "objects", NAME} - {removed}
    assert {layer.name for layer in viewer.layers} <= names


def test_superpixels_edited_between_strokes(painter):
    viewer, widget = painter(GRID.copy(), np.zeros_like(GRID))
    widget.paint((2, 2))
    edited = viewer.layers["superpixels"].data
    edited[GRID == 2] = 1
    edited[GRID == 1] = 9999
    widget.label.value = 5
    widget.paint((2, 8))
    painted = viewer.layers["objects"].data
    np.testing.assert_array_equal(painted, 5 * (GRID == 2) + 1 * (GRID == 1))


def test_viewer_closed_while_painting(painter, qtbot):
    viewer, widget = painter(GRID)
    widget.on.setChecked(True)
    widget._move(viewer, SimpleNamespace(position=(2, 2)))
    assert NAME in viewer.layers
    gone = []
    widget.destroyed.connect(lambda: gone.append(True))
    viewer.close()
    qtbot.waitUntil(lambda: bool(gone))


def test_two_viewers(painter):
    first, one = painter(GRID, np.zeros_like(GRID))
    second, other = painter(GRID, np.zeros_like(GRID))
    one.on.setChecked(True)
    other.on.setChecked(True)
    stroke(first, one, (2, 2))((2, 2))
    other.label.value = 3
    stroke(second, other, (8, 8))((8, 8))
    np.testing.assert_array_equal(first.layers["objects"].data, 1 * (GRID == 1))
    np.testing.assert_array_equal(second.layers["objects"].data, 3 * (GRID == 7))
    second.layers.clear()
    assert other.reason == NO_SUPERPIXELS
    assert not one.reason


def test_one_pixel(painter):
    viewer, widget = painter(np.ones((1, 1), np.uint8))
    widget.on.setChecked(True)
    assert widget.paint((0, 0)) == 1
    assert widget.paint((0, 5)) == 0
    np.testing.assert_array_equal(viewer.layers["superpixels objects"].data, [[1]])
    viewer.layers["superpixels objects"].undo()
    assert not viewer.layers["superpixels objects"].data.any()


def test_labels_in_zarr(painter, tmp_path):
    zarr = pytest.importorskip("zarr")
    stored = zarr.open(
        str(tmp_path / "labels.zarr"),
        mode="w",
        shape=GRID.shape,
        chunks=(7, 8),
        dtype="uint32",
    )
    viewer, widget = painter(GRID, stored)
    assert not widget.reason
    widget.label.value = 2**31 - 1
    widget.on.setChecked(True)
    move = stroke(viewer, widget, (2, 2))
    move((2, 8))
    move((2, 8), "mouse_release")
    row = (GRID == 1) | (GRID == 2)
    np.testing.assert_array_equal(stored[:] == 2**31 - 1, row)
    widget.mode.value = "fill"
    widget.label.value = 4
    widget.paint((2, 8))
    np.testing.assert_array_equal(stored[:], 4 * row)
    layer = viewer.layers["objects"]
    layer.undo()
    layer.undo()
    assert not stored[:].any()
    layer.redo()
    np.testing.assert_array_equal(stored[:] == 2**31 - 1, row)


def test_what_cannot_be_written(painter):
    lazy = da.zeros(GRID.shape, dtype=np.uint8, chunks=8)
    _, widget = painter(GRID, lazy)
    assert widget.reason == NOT_IN_MEMORY.format(name="objects")


def test_huge_multiscale_superpixels(painter):
    def chunk(block_info=None):
        raise AssertionError("the finest level is never read")

    finest = da.map_blocks(
        chunk, chunks=((3000,) * 10,) * 2, dtype=np.uint8, meta=np.zeros((0, 0), "u1")
    )
    coarse = [da.zeros((30_000 // f,) * 2, dtype=np.uint8) for f in (8, 64)]
    viewer, widget = painter([finest, *coarse], multiscale=True)
    assert widget.reason == NOT_IN_MEMORY.format(name="superpixels")
    assert widget.paint((2, 2)) == 0
    assert len(viewer.layers) == 1
