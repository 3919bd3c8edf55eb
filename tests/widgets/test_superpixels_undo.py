"""Undo of runs, by hand and by the painter's keys: what follows it, and what stays."""

from __future__ import annotations

import numpy as np
import pytest
from app_model.types import KeyBinding

from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.records import KEY
from napari_paf.widgets.painter.undo import REDO, UNDO
from napari_paf.widgets.superpixels.texts import SETTINGS_STAY, UNDONE

RESULT = "image 0 superpixels"


@pytest.fixture
def divided(open_widget, run):
    """Return a function that divides planes of a stack one after the other."""

    def divided_(*planes):
        image = np.random.default_rng(3).integers(0, 255, (3, 20, 24), dtype=np.uint8)
        viewer, widget = open_widget(image)
        widget.model.value = "gradient"
        widget.n_segments.value = 12
        for plane in planes:
            viewer.dims.set_point(0, plane)
            run(widget)
        return viewer, widget, viewer.layers[RESULT]

    return divided_


def erase(layer, plane, *, in_strokes):
    """Erase all of a plane by hand, in one step of the layer's history."""
    rows, columns = np.nonzero(layer.data[plane])
    halves = np.array_split(np.arange(rows.size), 3 if in_strokes else 1)
    with unwrap(layer).block_history():
        for half in halves:
            where = np.full(half.size, plane), rows[half], columns[half]
            layer.data_setitem(where, 0)


@pytest.mark.parametrize("in_strokes", [False, True])
@pytest.mark.parametrize("before", [(), (2,)])
def test_undo_after_a_plane_was_erased_by_hand(divided, run, before, in_strokes):
    viewer, widget, layer = divided(*before, 0)
    first, code = layer.metadata[KEY], widget.copy_as_python()
    erase(layer, 0, in_strokes=in_strokes)
    assert layer.metadata[KEY] == first  # no run is undone
    assert "undo" not in widget.message
    viewer.dims.set_point(0, 1)
    run(widget)
    second = layer.metadata[KEY]
    layer.undo()
    assert not layer.data[:2].any()
    assert layer.metadata[KEY] == first
    layer.undo()
    assert layer.data[0].all()
    assert layer.metadata[KEY] == first
    assert widget.copy_as_python() == code
    layer.redo()
    assert layer.metadata[KEY] == first
    layer.redo()
    assert layer.metadata[KEY] == second


def test_labels_of_an_undone_run_painted_by_hand(divided):
    _, _, layer = divided(2, 0)
    made = layer.data[0].copy()
    layer.undo()
    record = layer.metadata[KEY]
    rows, columns = np.nonzero(made)
    layer.data_setitem((np.zeros_like(rows), rows, columns), made[rows, columns])
    np.testing.assert_array_equal(layer.data[0], made)
    assert layer.metadata[KEY] == record  # this is no redo
    layer.undo()
    layer.redo()
    assert layer.metadata[KEY] == record
    assert record["plane"] == [2]


def painting_on(viewer):
    """Return the painter, which paints on a new layer with the superpixels."""
    _, painter = viewer.window.add_plugin_dock_widget(
        "napari-paf", "Superpixel painter"
    )
    painter.on.setChecked(True)
    painter.paint((0, 3, 3))
    return painter


def press(viewer, key):
    """Let napari act on a key, as it does when the picture has the focus."""
    keys = unwrap(viewer).window._qt_viewer._key_map_handler
    assert keys.press_key(KeyBinding.from_int(key))


def rerun(widget, run, balance):
    widget.balance.value = balance
    run(widget)


@pytest.mark.parametrize("finer", [True, False])
def test_painters_undo_where_superpixels_were_undone(divided, run, finer):
    viewer, widget, layer = divided(0)
    rerun(widget, run, 0.9)
    made, record = layer.data.copy(), layer.metadata[KEY]
    painter = painting_on(viewer)
    painted = painter.labels_layer.value
    painter.refine((0, 10, 12), finer=finer)
    painter.refine((0, 10, 12), finer=not finer)
    layer.undo()
    layer.undo()
    np.testing.assert_array_equal(layer.data, made)
    press(viewer, UNDO)  # the stroke is what is left of the painter's
    np.testing.assert_array_equal(layer.data, made)
    assert layer.metadata[KEY] == record
    assert not painted.data.any()
    press(viewer, UNDO)
    np.testing.assert_array_equal(layer.data, made)
    press(viewer, REDO)
    assert painted.data.any()
    np.testing.assert_array_equal(layer.data, made)


def test_painters_redo_where_a_run_was_undone(divided, run):
    viewer, widget, layer = divided(0)
    first = layer.data.copy()
    rerun(widget, run, 0.9)
    made = layer.data.copy()
    painter = painting_on(viewer)
    painter.refine((0, 10, 12))
    finer = layer.data.copy()
    press(viewer, UNDO)
    layer.undo()
    np.testing.assert_array_equal(layer.data, first)
    press(viewer, REDO)  # would be the run
    np.testing.assert_array_equal(layer.data, first)
    layer.redo()
    layer.redo()
    np.testing.assert_array_equal(layer.data, finer)
    assert (finer != made).any()


def test_painters_undo_after_another_run(divided, run):
    viewer, widget, layer = divided(0)
    painter = painting_on(viewer)
    painter.refine((0, 10, 12))
    rerun(widget, run, 0.9)
    made, record = layer.data.copy(), layer.metadata[KEY]
    press(viewer, UNDO)
    np.testing.assert_array_equal(layer.data, made)
    assert layer.metadata[KEY] == record
    assert not painter.labels_layer.value.data.any()


def test_it_says_that_the_settings_stay(open_widget, computing, run, grey, qtbot):
    viewer, widget = open_widget(grey)
    for n_segments, balance in ((50, 0.1), (80, 0.2)):
        widget.balance.value = balance
        widget.n_segments.value = n_segments
        run(widget)
    layer = viewer.layers[RESULT]
    layer.undo()
    assert widget.message == f"{UNDONE.format(50)} {SETTINGS_STAY}"
    assert (widget.n_segments.value, widget.balance.value) == (80, 0.2)
    layer.redo()
    assert widget.message == UNDONE.format(80)  # they are those of the run
    layer.undo()
    viewer.layers.selection.active = layer
    widget.load_button.click()
    assert (widget.n_segments.value, widget.balance.value) == (50, 0.1)
    qtbot.waitUntil(lambda: SETTINGS_STAY not in widget.message)
    layer.redo()  # loading has changed nothing
    assert layer.data.max() == 80
    assert widget.message == f"{UNDONE.format(80)} {SETTINGS_STAY}"


def test_loading_ends_what_was_said_where_only_the_balance_differs(
    open_widget, computing, run, grey, qtbot
):
    viewer, widget = open_widget(grey)
    run(widget)
    layer = viewer.layers[RESULT]
    layer.data_setitem((np.array([3]), np.array([4])), 77)
    rerun(widget, run, 0.9)
    layer.undo()
    assert SETTINGS_STAY in widget.message
    viewer.layers.selection.active = layer
    widget.load_button.click()
    qtbot.waitUntil(lambda: SETTINGS_STAY not in widget.message)
