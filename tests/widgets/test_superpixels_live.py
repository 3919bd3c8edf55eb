"""A new number of superpixels redraws the result without another run."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_paf import superpixel_hierarchy
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.undoable import replace_data
from napari_paf.widgets.superpixels import hierarchies
from napari_paf.widgets.superpixels.as_python import as_python
from napari_paf.widgets.superpixels.hierarchies import is_as_made
from napari_paf.widgets.superpixels.live import EDITED
from napari_paf.widgets.superpixels.texts import NEEDS_RUN, UNDONE
from napari_paf.widgets.superpixels.widget import SuperpixelsWidget


def test_last_number_is_drawn_without_a_run(open_widget, computing, run, grey, qtbot):
    viewer, widget = open_widget(grey)
    run(widget)
    layer = viewer.layers["image 0 superpixels"]
    drawn = []
    layer.events.data.connect(lambda event: drawn.append(layer.data.max()))
    for n_segments in (20, 50, 7):
        widget.n_segments.value = n_segments
    qtbot.waitUntil(lambda: layer.data.max() == 7)
    assert drawn == [7]
    assert widget.message == "7 superpixels, from the last run."
    assert len(computing.calls) == 1
    np.testing.assert_array_equal(layer.data, computing.stripes(grey.shape, 7))
    record = layer.metadata["napari_paf"]
    assert (record["n_segments"], record["hierarchy_n_segments"]) == (7, 300)
    assert record["function"] == "superpixel_hierarchy"


def test_record_makes_the_same_superpixels(open_widget, run, grey, qtbot):
    viewer, widget = open_widget(grey)
    widget.model.value = "gradient"
    widget.n_segments.value = 40
    run(widget, timeout=120_000)
    layer = viewer.layers["image 0 superpixels"]
    widget.n_segments.value = 9
    qtbot.waitUntil(lambda: layer.data.max() == 9)
    record = layer.metadata["napari_paf"]
    hierarchy = superpixel_hierarchy(
        grey,
        record["hierarchy_n_segments"],
        model=record["model"],
        balance=record["balance"],
        connectivity=record["connectivity"],
    )
    np.testing.assert_array_equal(layer.data, hierarchy.labels(record["n_segments"]))


def test_edits_by_hand_stay(open_widget, computing, run, grey, qtbot):
    viewer, widget = open_widget(grey)
    run(widget)
    layer = viewer.layers["image 0 superpixels"]
    layer.data_setitem((np.array([3]), np.array([4])), 999)
    before = layer.data.copy()
    widget.n_segments.value = 7
    qtbot.waitUntil(lambda: widget.message == EDITED)
    np.testing.assert_array_equal(layer.data, before)


def test_undo_and_redo_bring_back_the_record_and_the_slider(
    open_widget, computing, run, grey, qtbot
):
    viewer, widget = open_widget(grey)
    states = []
    layer = None
    for n_segments, balance in ((300, 0.1), (200, 0.2), (100, 0.3)):
        widget.balance.value = balance
        widget.n_segments.value = n_segments
        run(widget)
        layer = viewer.layers["image 0 superpixels"]
        states.append((layer.metadata["napari_paf"], layer.data.copy()))
    code = [as_python(record) for record, _ in states]
    for back in (layer.undo, layer.undo, layer.redo, layer.redo, layer.undo):
        back()
        at = {300: 0, 200: 1, 100: 2}[layer.data.max()]
        assert layer.metadata["napari_paf"] == states[at][0]
        np.testing.assert_array_equal(layer.data, states[at][1])
        assert widget.copy_as_python() == code[at]
        assert is_as_made(unwrap(layer))
    widget.balance.value = 0.2
    widget.n_segments.value = 7
    qtbot.waitUntil(lambda: layer.data.max() == 7)
    assert layer.metadata["napari_paf"]["hierarchy_n_segments"] == 200
    drawn = layer.data.copy()
    layer.redo()  # the slider has emptied the history
    layer.undo()
    assert layer.metadata["napari_paf"]["n_segments"] == 7
    np.testing.assert_array_equal(layer.data, drawn)


def test_undo_of_strokes_after_a_run(open_widget, computing, run, grey):
    viewer, widget = open_widget(grey)
    run(widget)
    layer = viewer.layers["image 0 superpixels"]
    first = layer.metadata["napari_paf"]
    widget.n_segments.value = 20
    widget.balance.value = 0.2
    run(widget)
    second = layer.metadata["napari_paf"]
    for at in range(3):
        layer.data_setitem((np.array([at]), np.array([4])), 999)
    for _ in range(3):
        layer.undo()
        assert layer.metadata["napari_paf"] == second
    layer.undo()
    assert layer.metadata["napari_paf"] == first
    layer.data_setitem((np.array([3]), np.array([4])), 999)
    assert layer.metadata["napari_paf"] == first
    layer.redo()  # nothing, after a stroke
    assert layer.metadata["napari_paf"] == first


def test_undo_in_one_plane_of_a_stack(open_widget, computing, run, qtbot):
    stack = np.random.default_rng(0).random((3, 24, 32))
    viewer, widget = open_widget(stack)
    viewer.dims.set_current_step(0, 0)
    run(widget)
    layer = viewer.layers["image 0 superpixels"]
    record = layer.metadata["napari_paf"]
    viewer.dims.set_current_step(0, 2)
    run(widget)
    assert layer.metadata["napari_paf"]["plane"] == [2]
    layer.undo()
    assert not layer.data[2].any()
    assert layer.metadata["napari_paf"] == record
    viewer.dims.set_current_step(0, 1)
    assert layer.metadata["napari_paf"] == record


def test_undo_of_a_hidden_layer(open_widget, computing, run, grey, qtbot):
    viewer, widget = open_widget(grey)
    run(widget)
    layer = viewer.layers["image 0 superpixels"]
    code = widget.copy_as_python()
    widget.balance.value = 0.2
    widget.n_segments.value = 20
    run(widget)
    layer.visible = False
    layer.undo()
    assert widget.copy_as_python() == code
    layer.redo()
    widget.balance.value = 0.3
    widget.n_segments.value = 30
    run(widget)
    layer.undo()
    layer.visible = True
    assert layer.data.max() == layer.metadata["napari_paf"]["n_segments"] == 20


@pytest.mark.parametrize("masked", [False, True])
def test_undo_to_what_was_made_of_other_pixels(
    open_widget, computing, run, grey, qtbot, masked
):
    viewer, widget = open_widget(grey)
    if masked:
        mask = np.ones(grey.shape, np.uint8)
        widget.mask_layer.value = unwrap(viewer.add_labels(mask, name="mask"))
    run(widget)
    layer = viewer.layers["image 0 superpixels"]
    if masked:
        viewer.layers["mask"].data_setitem((np.arange(9), np.arange(9)), 0)
    else:
        viewer.layers["image 0"].data = grey[::-1].copy()
    widget.balance.value = 0.2
    run(widget)
    widget.balance.value = None
    layer.undo()
    before = layer.data.copy()
    widget.n_segments.value = 20
    qtbot.waitUntil(lambda: widget.message == NEEDS_RUN)
    np.testing.assert_array_equal(layer.data, before)


def test_undo_where_somebody_took_the_record_away(
    open_widget, computing, run, grey, qtbot
):
    viewer, widget = open_widget(grey)
    for balance in (0.1, 0.2):
        widget.balance.value = balance
        widget.n_segments.value = round(1000 * balance)
        run(widget)
    layer = viewer.layers["image 0 superpixels"]
    layer.metadata = {"of": "others"}
    layer.undo()
    assert layer.metadata == {"of": "others"}
    widget.n_segments.value = 20
    qtbot.waitUntil(lambda: widget.message == NEEDS_RUN)
    assert layer.data.max() == 100


def test_settings_loaded_from_an_earlier_result(
    open_widget, computing, run, grey, qtbot
):
    viewer, widget = open_widget(grey)
    widget.keep_previous.value = True
    for n_segments in (50, 80):
        widget.n_segments.value = n_segments
        run(widget)
    first, second = (x for x in viewer.layers if "superpixels" in x.name)
    widget.load(first)
    qtbot.waitUntil(lambda: not widget._redraw.isActive())
    assert (first.data.max(), second.data.max()) == (50, 80)
    widget.n_segments.value = 20
    qtbot.waitUntil(lambda: first.data.max() == 20)
    assert second.data.max() == 80


def test_undo_is_told(open_widget, computing, run, grey, qtbot):
    viewer, widget = open_widget(grey)
    _, compare = viewer.window.add_plugin_dock_widget(
        "napari-paf", "Compare with ground truth"
    )
    _, objects = viewer.window.add_plugin_dock_widget("napari-paf", "Objects")
    for n_segments, balance in ((50, 0.1), (80, 0.2)):
        widget.balance.value = balance
        widget.n_segments.value = n_segments
        run(widget)
    layer = viewer.layers["image 0 superpixels"]
    compare._changed, objects._changed = "", False
    layer.undo()
    assert widget.message.startswith(UNDONE.format(50))
    assert compare._changed == layer.name
    assert objects._changed
    layer.redo()
    assert widget.message == UNDONE.format(80)


def test_two_widgets_on_one_layer(open_widget, computing, run, grey, qtbot):
    viewer, widget = open_widget(grey)
    other = SuperpixelsWidget(unwrap(viewer))
    viewer.window.add_dock_widget(other)
    run(widget)
    layer = viewer.layers["image 0 superpixels"]
    run(other)
    widget.n_segments.value = 20
    qtbot.waitUntil(lambda: layer.data.max() == 20)
    other.n_segments.value = 30
    qtbot.waitUntil(lambda: layer.data.max() == 30)
    other.balance.value = 0.9
    run(other)
    widget.n_segments.value = 40
    qtbot.waitUntil(lambda: widget.message == NEEDS_RUN)
    assert layer.data.max() == 30


def test_two_widgets_with_other_masks(open_widget, computing, run, grey, qtbot):
    viewer, widget = open_widget(grey)
    other = SuperpixelsWidget(unwrap(viewer))
    viewer.window.add_dock_widget(other)
    mask = np.zeros(grey.shape, np.uint8)
    mask[3:-3, 3:-3] = 1
    other.mask_layer.value = unwrap(viewer.add_labels(mask, name="mask"))
    run(widget)
    layer = viewer.layers["image 0 superpixels"]
    run(other)
    widget.n_segments.value = 20
    qtbot.waitUntil(lambda: widget.message == NEEDS_RUN)
    viewer.layers["mask"].name = "renamed"
    other.n_segments.value = 20
    qtbot.waitUntil(lambda: layer.data.max() == 20)
    assert layer.data[0, 0] == 0


def test_hierarchies_that_cannot_come_back_are_let_go(
    open_widget, computing, run, grey, monkeypatch
):
    viewer, widget = open_widget(grey)
    layer = None
    monkeypatch.setattr(hierarchies, "_MOST_PIXELS", 4 * grey.size)
    for n_segments in range(2, 12):
        widget.balance.value = 0.1 * n_segments
        widget.n_segments.value = n_segments
        run(widget)
        layer = unwrap(viewer.layers["image 0 superpixels"])
    assert len(hierarchies._known[layer]) == 5  # and the one that is shown
    replace_data(layer, layer.data)
    widget.balance.value = 0
    widget.n_segments.value = 20
    run(widget)
    layer.undo()
    assert len(hierarchies._known[layer]) == 2
    assert is_as_made(layer)


def test_the_slider_leaves_the_users_tool_alone(
    open_widget, computing, run, grey, qtbot
):
    viewer, widget = open_widget(grey)
    run(widget)
    layer = viewer.layers["image 0 superpixels"]
    layer.mode = "paint"
    widget.n_segments.value = 7
    qtbot.waitUntil(lambda: layer.data.max() == 7)
    assert layer.mode == "paint"
    assert layer.editable


def test_one_plane_of_a_stack(open_widget, computing, run, qtbot):
    stack = np.random.default_rng(0).random((3, 24, 32))
    viewer, widget = open_widget(stack)
    viewer.dims.set_current_step(0, 1)
    run(widget)
    layer = viewer.layers["image 0 superpixels"]
    widget.n_segments.value = 9
    qtbot.waitUntil(lambda: layer.data[1].max() == 9)
    assert not layer.data[[0, 2]].any()


def test_another_balance_needs_a_run(open_widget, computing, run, grey, qtbot):
    viewer, widget = open_widget(grey)
    run(widget)
    layer = viewer.layers["image 0 superpixels"]
    widget.balance.value = 0.9
    widget.n_segments.value = 7
    qtbot.waitUntil(lambda: not widget._redraw.isActive())
    assert layer.data.max() == 300


def test_memory_is_given_back_with_the_layer(open_widget, computing, run, grey):
    viewer, widget = open_widget(grey)
    run(widget)
    assert widget._live is not None
    viewer.layers.remove("image 0 superpixels")
    assert widget._live is None


@pytest.fixture
def start(computing, qtbot):
    """Return a function that starts a run and holds it in the middle."""

    def start_(widget):
        computing.hold()
        widget.run()
        qtbot.waitUntil(lambda: computing.reached.acquire(blocking=False))

    return start_


def test_last_number_wins_over_a_run(open_widget, computing, start, grey, qtbot):
    viewer, widget = open_widget(grey)
    start(widget)
    for n_segments in (20, 50, 7):
        widget.n_segments.value = n_segments
        qtbot.waitUntil(lambda: not widget._redraw.isActive())
    computing.release()
    qtbot.waitUntil(lambda: widget.worker is None)
    layer = viewer.layers["image 0 superpixels"]
    np.testing.assert_array_equal(layer.data, computing.stripes(grey.shape, 7))
    assert len(computing.calls) == 1
    assert widget.message.startswith("7 superpixels in ")
    record = layer.metadata["napari_paf"]
    assert (record["n_segments"], record["hierarchy_n_segments"]) == (7, 300)
    widget.n_segments.value = 300
    qtbot.waitUntil(lambda: layer.data.max() == 300)


def test_last_number_wins_when_a_run_is_cancelled(
    open_widget, computing, run, start, grey, qtbot
):
    viewer, widget = open_widget(grey)
    run(widget)
    computing.reached.acquire(blocking=False)
    start(widget)
    widget.n_segments.value = 7
    widget.cancel()
    qtbot.waitUntil(lambda: widget.worker is None)
    assert viewer.layers["image 0 superpixels"].data.max() == 7
    assert widget.message == "Cancelled."


def test_other_settings_changed_during_a_run_are_told(
    open_widget, computing, start, grey, qtbot
):
    viewer, widget = open_widget(grey)
    start(widget)
    widget.n_segments.value = 7
    widget.balance.value = 0.9
    computing.release()
    qtbot.waitUntil(lambda: widget.worker is None)
    assert viewer.layers["image 0 superpixels"].data.max() == 300
    assert widget.message.startswith("300 superpixels in ")
    assert widget.message.endswith(NEEDS_RUN)


def test_a_result_is_not_redrawn_for_another_image(
    open_widget, computing, start, grey, qtbot
):
    viewer, widget = open_widget(grey, grey)
    widget.image_layer.value = viewer.layers["image 0"]
    start(widget)
    widget.image_layer.value = viewer.layers["image 1"]
    widget.n_segments.value = 7
    computing.release()
    qtbot.waitUntil(lambda: widget.worker is None)
    widget.n_segments.value = 8
    qtbot.waitUntil(lambda: not widget._redraw.isActive())
    assert viewer.layers["image 0 superpixels"].data.max() == 300


def test_last_number_wins_over_real_computing(open_widget, grey, qtbot, monkeypatch):
    import napari_paf.pipeline

    begun, go_on = threading.Event(), threading.Event()

    def held(*args, **options):
        begun.set()
        assert go_on.wait(30)
        return superpixel_hierarchy(*args, **options)

    monkeypatch.setattr(napari_paf.pipeline, "superpixel_hierarchy", held)
    viewer, widget = open_widget(grey)
    widget.model.value = "gradient"
    widget.n_segments.value = 40
    widget.run()
    qtbot.waitUntil(begun.is_set)
    for n_segments in (90, 4, 13):
        widget.n_segments.value = n_segments
    go_on.set()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=120_000)
    hierarchy = superpixel_hierarchy(grey, 40, model="gradient", connectivity=2)
    (layer,) = [one for one in viewer.layers if "superpixels" in one.name]
    np.testing.assert_array_equal(layer.data, hierarchy.labels(13))
