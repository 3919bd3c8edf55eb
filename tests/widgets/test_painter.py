"""Painting with superpixels in a real viewer."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from app_model.types import KeyBinding
from napari.layers import Labels
from qtpy.QtWidgets import QApplication

from napari_paf import entropy_rate_hierarchy
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.plane import Plane
from napari_paf.widgets.common.undoable import replace_data
from napari_paf.widgets.painter.hover import NAME
from napari_paf.widgets.painter.refining import NO_HIERARCHY
from napari_paf.widgets.painter.target import (
    NO_SUPERPIXELS,
    NOTHING_TO_COPY,
    ONLY_2D,
    OTHER_PIXELS,
    SAME_LAYER,
)
from napari_paf.widgets.painter.undo import REDO, UNDO
from napari_paf.widgets.superpixels import hierarchies


def grid(rows=4, columns=5, side=6):
    """Return superpixels that are squares, numbered from 1 in raster order."""
    numbers = np.arange(1, rows * columns + 1).reshape(rows, columns)
    return np.kron(numbers, np.ones((side, side), int)).astype(np.uint16)


@pytest.fixture
def painter(make_napari_viewer_proxy):
    """Return a function that opens a viewer with superpixels and the painter."""

    def painter_(superpixels, target=None, **options):
        viewer = make_napari_viewer_proxy(strict_qt="raise")
        below = viewer.add_labels(superpixels, name="cells superpixels", **options)
        if target is not None:
            viewer.add_labels(target, name="objects", **options)
        _, widget = viewer.window.add_plugin_dock_widget(
            "napari-paf", "Superpixel painter"
        )
        widget.superpixels_layer.value = widget.superpixels_layer.choices[-1]
        if target is not None:
            widget.labels_layer.value = widget.labels_layer.choices[1]
        return viewer, widget, below

    return painter_


def mouse(position, kind="mouse_press", modifiers=(), button=1, **more):
    return SimpleNamespace(
        type=kind, position=position, modifiers=modifiers, button=button, **more
    )


def drag(viewer, widget, positions, modifiers=()):
    """Press at the first position, move along, let go."""
    event = mouse(positions[0], modifiers=modifiers)
    stroke = widget._drag(viewer, event)
    try:
        next(stroke)
        for position in positions[1:]:
            event.type, event.position = "mouse_move", position
            next(stroke)
        event.type = "mouse_release"
        next(stroke)
    except StopIteration:
        pass


def test_nothing_to_paint_with(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy(strict_qt="raise")
    _, widget = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixel painter")
    assert widget.reason == NO_SUPERPIXELS
    assert not widget.on.isEnabled()
    assert NO_SUPERPIXELS in widget.message
    assert widget.paint((1, 1)) == 0


def test_a_click_paints_one_superpixel_on_a_new_layer(painter):
    viewer, widget, below = painter(grid(), scale=(0.5, 0.5), translate=(3, 4))
    widget.label.value = 7
    assert widget.paint(below.data_to_world((8, 8))) == 36
    target = viewer.layers["cells objects"]
    np.testing.assert_array_equal(target.data, 7 * (grid() == 7))
    np.testing.assert_allclose(target.extent.world, below.extent.world)


def test_a_stroke_paints_all_it_crosses_and_is_undone_at_once(painter):
    viewer, widget, _ = painter(grid(), np.zeros((24, 30), np.uint16))
    widget.on.setChecked(True)
    drag(viewer, widget, [(2, 2), (2, 14), (14, 14)])
    target = viewer.layers["objects"]
    expected = np.isin(grid(), [1, 2, 3, 8, 13])
    np.testing.assert_array_equal(target.data > 0, expected)
    target.undo()
    assert not target.data.any()
    target.redo()
    np.testing.assert_array_equal(target.data > 0, expected)


def test_strokes_and_painting_by_hand_share_one_history(painter):
    viewer, widget, _ = painter(grid(), np.zeros((24, 30), np.uint16))
    target = viewer.layers["objects"]
    widget.on.setChecked(True)
    drag(viewer, widget, [(2, 2)])
    after_one = target.data.copy()
    target.data_setitem((np.array([20]), np.array([20])), 5)  # as the brush does
    drag(viewer, widget, [(2, 20)])
    target.undo()
    assert target.data[20, 20] == 5
    target.undo()
    np.testing.assert_array_equal(target.data, after_one)
    target.undo()
    assert not target.data.any()


def test_control_erases(painter):
    start = np.full((24, 30), 3, np.uint16)
    viewer, widget, _ = painter(grid(), start)
    widget.on.setChecked(True)
    drag(viewer, widget, [(2, 2), (2, 8)], modifiers=("Control",))
    expected = np.where(np.isin(grid(), [1, 2]), 0, 3)
    np.testing.assert_array_equal(viewer.layers["objects"].data, expected)


def test_other_labels_can_be_protected(painter):
    start = np.zeros((24, 30), np.uint16)
    start[:, :3] = 9
    viewer, widget, _ = painter(grid(), start)
    widget.protect.value = True
    widget.paint((2, 4))
    data = viewer.layers["objects"].data
    assert (data[:6, :3] == 9).all()
    assert (data[:6, 3:6] == 1).all()
    widget.paint((2, 4), erase=True)
    np.testing.assert_array_equal(data, start)


def test_fill_takes_a_connected_area(painter):
    start = np.zeros((24, 30), np.uint16)
    start[10] = 4
    viewer, widget, _ = painter(grid(), start)
    widget.mode.value = "fill"
    widget.label.value = 2
    widget.paint((2, 2))
    expected = start.copy()
    expected[:10] = 2
    np.testing.assert_array_equal(viewer.layers["objects"].data, expected)


@pytest.mark.parametrize("rule", ["protect", "only_unlabelled"])
def test_fill_leaves_alone_what_strokes_do(painter, rule):
    start = np.zeros((24, 30), np.uint16)
    start[10:] = 4
    viewer, widget, _ = painter(grid(), start.copy())
    data = viewer.layers["objects"].data
    widget.mode.value = "fill"
    widget.label.value = 2
    getattr(widget, rule).value = True
    assert widget.paint((12, 2)) == 0
    np.testing.assert_array_equal(data, start)
    if rule == "protect":
        assert widget.paint((12, 2), erase=True) == 0
    widget.paint((2, 2))
    np.testing.assert_array_equal(data, np.where(start == 4, 4, 2))
    widget.paint((2, 2), erase=True)
    np.testing.assert_array_equal(data, start)


def test_fill_in_one_plane_of_a_volume(painter):
    viewer, widget, _ = painter(np.stack([grid()] * 3), np.zeros((3, 24, 30), np.uint8))
    widget.mode.value = "fill"
    widget.slice_only.value = True
    assert widget.paint((1, 2, 2)) == 24 * 30
    painted = viewer.layers["objects"].data
    np.testing.assert_array_equal(painted.any(axis=(1, 2)), [False, True, False])
    widget.slice_only.value = False
    assert widget.paint((0, 2, 2)) == 24 * 30  # 0 on both sides do not touch


def test_napari_tools_go_first(painter):
    viewer, widget, _ = painter(grid(), np.zeros((24, 30), np.uint16))
    target = viewer.layers["objects"]
    widget.on.setChecked(True)
    assert not target.mouse_pan
    target.mode = "paint"
    drag(viewer, widget, [(2, 2)])
    assert not target.data.any()
    target.mode = "pan_zoom"
    assert not target.mouse_pan
    viewer.layers.selection.active = viewer.layers["cells superpixels"]
    drag(viewer, widget, [(2, 2)])
    assert not target.data.any()
    assert target.mouse_pan
    widget.on.setChecked(False)
    assert target.mouse_pan


def test_the_superpixel_under_the_cursor_is_shown(painter):
    viewer, widget, below = painter(grid(), np.zeros((24, 30), np.uint16), scale=(2, 2))
    widget.on.setChecked(True)
    widget._move(viewer, mouse(below.data_to_world((8, 8)), "mouse_move"))
    shown = viewer.layers[NAME]
    assert shown.data.shape == (6, 6)
    np.testing.assert_allclose(shown.data_to_world((0, 0)), (12, 12))
    assert "36 pixels" in widget.message
    assert viewer.layers.selection.active.name == "objects"
    widget._move(viewer, mouse(below.data_to_world((2, 20)), "mouse_move"))
    np.testing.assert_allclose(shown.data_to_world((0, 0)), (0, 36))
    assert len(viewer.layers) == 3
    widget.on.setChecked(False)
    assert NAME not in viewer.layers


@pytest.mark.parametrize("slice_only", [False, True])
def test_volumes(painter, slice_only):
    superpixels = np.stack([grid()] * 4)
    superpixels[2:] += 20
    viewer, widget, _ = painter(superpixels, np.zeros(superpixels.shape, np.uint16))
    widget.slice_only.value = slice_only
    widget.paint((1, 2, 2))
    painted = viewer.layers["objects"].data > 0
    expected = superpixels == 1
    if slice_only:
        expected[0] = False
    np.testing.assert_array_equal(painted, expected)


@pytest.fixture
def with_hierarchy(painter):
    """Return a viewer, the painter, superpixels, and their hierarchy."""
    affinity = np.random.default_rng(0).random((4, 24, 30)).astype(np.float32)
    hierarchy = entropy_rate_hierarchy(affinity, 12)
    viewer, widget, below = painter(hierarchy.labels(12), np.zeros((24, 30), np.uint16))
    whole = Plane(None, (slice(None),) * 2, (0, 1), (24, 30), rgb=False)
    hierarchies.remember(below, whole, hierarchy, below.data, {"n_segments": 12})
    widget.on.setChecked(True)
    return viewer, widget, below, hierarchy


def test_finer_and_coarser(with_hierarchy):
    viewer, widget, below, hierarchy = with_hierarchy
    labels = below.data.copy()
    label = int(labels[10, 10])
    event = mouse((10, 10), "mouse_wheel", ("Shift",), delta=(0, 1), handled=False)
    widget._wheel(viewer, event)
    assert event.handled
    np.testing.assert_array_equal(below.data, hierarchy.split(labels, label))
    # What is painted now is the smaller one.
    widget.paint((10, 10))
    painted = viewer.layers["objects"].data > 0
    np.testing.assert_array_equal(painted, below.data == below.data[10, 10])
    below.undo()
    np.testing.assert_array_equal(below.data, labels)
    widget.refine((10, 10), finer=False)
    np.testing.assert_array_equal(below.data, hierarchy.merge(labels, label))


def press(viewer, key):
    """Let napari act on a key, as it does when the picture has the focus."""
    keys = unwrap(viewer).window._qt_viewer._key_map_handler
    assert keys.press_key(KeyBinding.from_int(key))


def test_undo_keys_go_back_through_strokes_and_refinements(with_hierarchy):
    viewer, widget, below, _ = with_hierarchy
    objects = viewer.layers["objects"]
    assert viewer.layers.selection.active == objects
    states = []

    def note():
        states.append((below.data.copy(), objects.data.copy()))

    note()
    widget.paint((10, 10))
    note()
    widget.refine((10, 10), finer=True)
    note()
    widget.label.value = 2
    widget.paint((10, 10))
    note()
    objects.data_setitem((np.array([1, 2]), np.array([3, 4])), 9)  # by hand
    note()
    widget.refine((20, 20), finer=False)
    note()
    there_and_back = [*range(4, -1, -1), *range(1, 6), 4, 3]
    keys = [UNDO] * 5 + [REDO] * 5 + [UNDO] * 2
    for key, number in zip(keys, there_and_back, strict=True):
        press(viewer, key)
        np.testing.assert_array_equal(below.data, states[number][0])
        np.testing.assert_array_equal(objects.data, states[number][1])
    # What is done now ends what could be done again.
    widget.refine((2, 2), finer=True)
    before = objects.data.copy()
    press(viewer, REDO)
    np.testing.assert_array_equal(objects.data, before)


def test_undo_keys_of_replaced_superpixels_and_of_a_closed_painter(
    with_hierarchy, qtbot
):
    viewer, widget, below, hierarchy = with_hierarchy
    objects = viewer.layers["objects"]
    widget.paint((10, 10))
    widget.refine((10, 10), finer=True)
    replace_data(below, hierarchy.labels(30))  # as the slider does
    press(viewer, UNDO)
    assert not objects.data.any()
    press(viewer, REDO)
    assert objects.data.any()
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: not objects.keymap)
    press(viewer, UNDO)  # napari's own
    assert not objects.data.any()


def test_without_a_hierarchy_it_says_why(painter):
    _, widget, below = painter(grid(), np.zeros((24, 30), np.uint16))
    before = below.data.copy()
    widget.refine((2, 2))
    assert widget.message == NO_HIERARCHY
    np.testing.assert_array_equal(below.data, before)


def run_lines(viewer, code):
    names = {"viewer": viewer}
    exec(code, names)
    return names["labels"]


def test_copied_lines_paint_the_same(painter, notifications):
    viewer, widget, _ = painter(grid(), np.zeros((24, 30), np.uint16))
    assert widget.copy_as_python() == ""
    assert notifications[-1][1] == NOTHING_TO_COPY
    widget.paint((2, 2), (2, 20))
    widget.label.value = 2**16 - 1
    widget.paint((20, 20))
    data = viewer.layers["objects"].data
    widget.copy_button.click()
    code = QApplication.clipboard().text()
    np.testing.assert_array_equal(run_lines(viewer, code), data)
    assert "otherwise" not in code
    expected = data.copy()
    viewer.layers["objects"].data_setitem((np.array([9, 9]), np.array([8, 9])), 3)
    code = widget.copy_as_python()
    np.testing.assert_array_equal(run_lines(viewer, code), expected)
    assert "# 2 pixels that were painted otherwise" in code


def test_layers_that_do_not_fit(painter):
    viewer, widget, _ = painter(grid(), np.zeros((24, 30), np.uint16))
    widget.labels_layer.value = widget.superpixels_layer.value
    assert widget.reason == SAME_LAYER
    other = viewer.add_labels(np.zeros((24, 30), int), name="x", scale=(0.3, 1))
    widget.labels_layer.value = widget.labels_layer.choices[1]
    assert widget.labels_layer.value.name == other.name
    assert widget.reason == OTHER_PIXELS.format(name="x")
    assert not widget.on.isEnabled()
    assert widget.paint((2, 2)) == 0


def test_huge_numbers(painter):
    superpixels = grid().astype(np.uint32)
    superpixels[superpixels == 7] = 2**31
    viewer, widget, _ = painter(superpixels, np.zeros((24, 30), np.uint32))
    widget.label.value = 2**31 - 1
    widget.paint((8, 8))
    painted = viewer.layers["objects"].data == 2**31 - 1
    np.testing.assert_array_equal(painted, superpixels == 2**31)


def test_labels_are_as_large_as_layers_can_hold(painter):
    viewer, widget, _ = painter(grid(), np.zeros((24, 30), np.uint8))
    small = viewer.layers["objects"]
    assert widget.label.max == 255
    widget.labels_layer.value = None
    widget.label.value = 2**32 - 1
    assert widget.paint((2, 2)) == 36
    large = viewer.layers["cells objects"]
    np.testing.assert_array_equal(large.data, (grid() == 1) * np.uint32(2**32 - 1))
    large.selected_label = 2**31  # as napari's pipette does
    assert widget.label.value == 2**31
    small.selected_label = 7
    widget.labels_layer.value = small.__wrapped__
    assert (widget.label.value, widget.label.max) == (7, 255)


def test_superpixels_are_guessed_until_some_are_picked(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy(strict_qt="raise")
    viewer.add_labels(grid(), name="cells ground truth")
    _, widget = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixel painter")
    box = widget.superpixels_layer
    assert box.value.name == "cells ground truth"  # there is nothing else
    record = {"napari_paf": {"function": "superpixels", "n_segments": 20}}
    for name in ("one superpixels", "other superpixels"):
        viewer.add_layer(Labels(grid(), name=name, metadata=record))
        assert box.value.name == name
    box.value = next(x for x in box.choices if x.name == "one superpixels")
    viewer.add_layer(Labels(grid(), name="third superpixels", metadata=record))
    assert box.value.name == "one superpixels"
    viewer.layers.remove("one superpixels")
    assert box.value.name == "third superpixels"


def test_another_target_while_painting(painter):
    viewer, widget, _ = painter(grid(), np.zeros((24, 30), np.uint8))
    one = viewer.layers["objects"]
    other = viewer.add_labels(np.zeros((24, 30), np.uint8), name="others")
    widget.on.setChecked(True)
    assert not one.mouse_pan
    widget.labels_layer.value = other.__wrapped__
    assert viewer.layers.selection.active == other
    assert one.mouse_pan
    assert not other.mouse_pan
    drag(viewer, widget, [(2, 2)])
    assert other.data.any()
    assert not one.data.any()
    kept = widget._strokes
    viewer.add_image(np.zeros((5, 5)))  # not a reason to look for all pixels again
    assert widget._strokes is kept
    viewer.layers.remove("others")
    assert widget._strokes is None


def test_only_in_2d(painter):
    viewer, widget, _ = painter(np.stack([grid()] * 3), np.zeros((3, 24, 30), np.uint8))
    widget.on.setChecked(True)
    widget._move(viewer, mouse((1, 2, 2), "mouse_move"))
    assert NAME in viewer.layers
    viewer.dims.ndisplay = 3
    assert NAME not in viewer.layers
    assert widget.message == ONLY_2D
    drag(viewer, widget, [(1, 2, 2), (1, 8, 8)])
    assert not viewer.layers["objects"].data.any()
    assert viewer.layers["objects"].mouse_pan
    viewer.dims.ndisplay = 2
    drag(viewer, widget, [(1, 2, 2)])
    assert viewer.layers["objects"].data.any()


def test_layers_that_go_away(painter):
    viewer, widget, _ = painter(grid(), np.zeros((24, 30), np.uint16))
    widget.on.setChecked(True)
    widget.paint((2, 2))
    viewer.layers["objects"].name = "renamed"
    widget.paint((2, 8))
    viewer.layers.remove("renamed")
    assert widget.labels_layer.value is None
    viewer.layers.clear()
    assert widget.reason == NO_SUPERPIXELS
    assert not widget.on.isChecked()
    assert not any(
        getattr(callback, "__self__", None) is widget
        for callback in viewer.mouse_drag_callbacks
    )


def test_a_part_of_an_image(painter):
    """Superpixels of a part paint on labels of the whole image."""
    viewer, widget, below = painter(grid())
    whole = viewer.add_labels(np.zeros((40, 50), np.uint16), name="whole")
    below.translate = (10, 15)
    widget.labels_layer.value = next(
        layer
        for layer in widget.labels_layer.choices
        if layer is not None and layer.name == "whole"
    )
    assert not widget.reason
    widget.paint((12, 17))
    expected = np.zeros((40, 50), bool)
    expected[10:16, 15:21] = True
    np.testing.assert_array_equal(whole.data > 0, expected)
    lines = run_lines(viewer, widget.copy_as_python())
    np.testing.assert_array_equal(lines, 1 * (grid() == 1))
