"""Cancel at any moment, and layers and viewers that change during a run."""

from __future__ import annotations

import sys
import threading
import types

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils import progress as napari_progress
from qtpy.QtCore import QThreadPool


def results(viewer):
    return [layer for layer in viewer.layers if isinstance(layer, Labels)]


@pytest.fixture
def start(computing, qtbot):
    """Return a function that starts a run and holds it in the middle."""

    def start_(widget, *, silent=False):
        computing.hold(silent=silent)
        widget.run_button.click()
        worker = widget.worker
        qtbot.waitUntil(lambda: computing.reached.acquire(blocking=False))
        return worker

    return start_


@pytest.fixture
def finish(computing, qtbot):
    """Return a function that lets a held run end."""

    def finish_(widget):
        computing.release()
        qtbot.waitUntil(lambda: widget.worker is None)

    return finish_


def test_buttons_bar_and_sentence_during_a_run(open_widget, start, finish, grey, qtbot):
    _, widget = open_widget(grey)
    assert not widget.cancel_button.isEnabled()
    assert widget._panel.bar.isHidden()
    start(widget)
    qtbot.waitUntil(lambda: "Predicting affinities" in widget._panel.message.text())
    qtbot.waitUntil(lambda: widget._panel.bar.value() > 10)
    assert not widget._panel.bar.isHidden()
    assert not widget.run_button.isEnabled()
    assert widget.cancel_button.isEnabled()
    (bar,) = napari_progress._all_instances
    qtbot.waitUntil(lambda: "Predicting affinities" in bar.desc)
    finish(widget)
    assert widget.run_button.isEnabled()
    assert not widget.cancel_button.isEnabled()
    assert widget._panel.bar.isHidden()
    assert "300 superpixels" in widget._panel.message.text()


def test_run_twice_runs_once(open_widget, computing, start, finish, grey):
    viewer, widget = open_widget(grey)
    worker = start(widget)
    widget.run_button.click()
    widget.run()
    assert widget.worker is worker
    finish(widget)
    assert len(computing.calls) == 1
    assert len(results(viewer)) == 1


def test_choices_changed_during_a_run_are_for_the_next(
    open_widget, computing, start, finish, grey
):
    viewer, widget = open_widget(grey)
    start(widget)
    widget.n_segments.value = 7
    widget.balance.value = 0.1
    finish(widget)
    (labels,) = results(viewer)
    assert labels.data.max() == 300
    assert labels.metadata["napari_paf"]["n_segments"] == 300
    assert labels.metadata["napari_paf"]["balance"] is None


@pytest.mark.parametrize("button", ["widget", "dock"])
def test_cancel_while_predicting(open_widget, start, grey, qtbot, run, button):
    viewer, widget = open_widget(grey)
    worker = start(widget)
    if button == "widget":
        widget.cancel_button.click()
    else:
        (bar,) = napari_progress._all_instances
        bar.cancel()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=2000)
    assert QThreadPool.globalInstance().waitForDone(2000)
    assert worker.abort_requested
    assert not results(viewer)
    assert "Cancelled" in widget._panel.message.text()
    assert widget.run_button.isEnabled()


def test_cancel_while_something_does_not_listen(
    open_widget, computing, start, grey, qtbot, run
):
    viewer, widget = open_widget(grey)
    start(widget, silent=True)
    widget.cancel()
    assert not widget.cancel_button.isEnabled()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=2000)
    assert widget.run_button.isEnabled()
    computing.release()
    assert QThreadPool.globalInstance().waitForDone(2000)
    assert not results(viewer)
    run(widget)
    assert len(results(viewer)) == 1


def test_cancel_while_loading(open_widget, grey, qtbot, monkeypatch):
    importing, go_on = threading.Event(), threading.Event()

    class Slow(types.ModuleType):
        def __getattr__(self, name):
            importing.set()
            assert go_on.wait(30)
            raise ImportError(name)

    monkeypatch.setitem(sys.modules, "napari_paf.pipeline", Slow("pipeline"))
    viewer, widget = open_widget(grey)
    widget.run()
    qtbot.waitUntil(importing.is_set)
    widget.cancel()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=2000)
    go_on.set()
    assert QThreadPool.globalInstance().waitForDone(2000)
    assert not results(viewer)


def test_cancel_at_once_and_after_the_end(open_widget, computing, grey, qtbot, run):
    viewer, widget = open_widget(grey)
    widget.cancel()  # nothing to cancel
    widget.run()
    widget.cancel()
    widget.cancel()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=2000)
    assert not results(viewer)
    run(widget)
    widget.cancel()
    assert len(results(viewer)) == 1


def test_worker_quit_cancels_too(open_widget, start, grey, qtbot):
    viewer, widget = open_widget(grey)
    start(widget).quit()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=2000)
    assert not results(viewer)
    assert "Cancelled" in widget._panel.message.text()


def test_layer_removed_during_a_run(
    open_widget, start, finish, grey, notifications, computing
):
    viewer, widget = open_widget(grey, scale=(2, 3))
    start(widget)
    viewer.layers.remove("image 0")
    finish(widget)
    (labels,) = results(viewer)
    assert labels.name == "image 0 superpixels"
    np.testing.assert_array_equal(labels.scale, (2, 3))
    np.testing.assert_array_equal(labels.data, computing.stripes(grey.shape, 300))
    ((severity, message),) = notifications
    assert severity == "info"
    assert "image 0" in message
    assert "removed" in message


def test_layer_renamed_and_reordered_during_a_run(
    open_widget, start, finish, grey, notifications
):
    viewer, widget = open_widget(grey, grey)
    widget.image_layer.value = viewer.layers["image 0"]
    start(widget)
    viewer.layers["image 0"].name = "nuclei"
    viewer.layers.move(0, 2)
    finish(widget)
    (labels,) = results(viewer)
    assert labels.name == "nuclei superpixels"
    assert not notifications


@pytest.mark.parametrize("how", ["replaced", "edited"])
def test_image_changed_during_a_run(
    open_widget, computing, start, finish, grey, notifications, how
):
    viewer, widget = open_widget(grey.copy())
    start(widget)
    if how == "replaced":
        viewer.layers[0].data = grey[:10, :10]
    else:
        viewer.layers[0].data[:] = 0
    finish(widget)
    (labels,) = results(viewer)
    assert labels.data.shape == grey.shape
    np.testing.assert_array_equal(computing.calls[0]["image"], grey)
    ((severity, message),) = notifications
    assert severity == "info"
    assert "changed during the run" in message


def test_other_layer_selected_during_a_run(open_widget, start, finish, grey):
    viewer, widget = open_widget(grey, grey[:10])
    viewer.layers.selection.active = viewer.layers["image 0"]
    start(widget)
    viewer.layers.selection.active = viewer.layers["image 1"]
    viewer.dims.set_current_step(0, 3)
    finish(widget)
    (labels,) = results(viewer)
    assert labels.name == "image 0 superpixels"
    assert labels.data.shape == grey.shape


def test_other_plane_shown_during_a_run(open_widget, start, finish):
    viewer, widget = open_widget(np.zeros((4, 20, 30), np.uint8))
    viewer.dims.set_current_step(0, 1)
    start(widget)
    viewer.dims.set_current_step(0, 3)
    finish(widget)
    (labels,) = results(viewer)
    assert labels.data[1].max() == 300
    assert labels.data[[0, 2, 3]].max() == 0


def test_result_removed_during_a_run(open_widget, start, finish, run, grey):
    viewer, widget = open_widget(grey)
    run(widget)
    start(widget)
    viewer.layers.remove(results(viewer)[0])
    finish(widget)
    assert len(results(viewer)) == 1


def test_result_repainted_and_renamed_during_a_run(
    open_widget, computing, start, finish, run, grey
):
    viewer, widget = open_widget(grey)
    run(widget)
    computing.reached.acquire(blocking=False)
    (labels,) = results(viewer)
    start(widget)
    labels.data_setitem((np.array([3]), np.array([4])), 999)
    labels.name = "renamed"
    viewer.layers.move(1, 0)
    painted = labels.data.copy()
    finish(widget)
    assert [layer.name for layer in viewer.layers] == ["renamed", "image 0"]
    np.testing.assert_array_equal(labels.data, computing.stripes(grey.shape, 300))
    labels.undo()
    np.testing.assert_array_equal(labels.data, painted)


def test_viewer_closed_during_a_run(open_widget, start, grey, qtbot):
    viewer, widget = open_widget(grey)
    worker = start(widget)
    viewer.close()
    qtbot.waitUntil(lambda: not worker.is_running)
    assert QThreadPool.globalInstance().waitForDone(2000)
    assert worker.abort_requested


def test_viewer_closed_while_something_does_not_listen(
    open_widget, computing, start, grey, qtbot
):
    viewer, widget = open_widget(grey)
    worker = start(widget, silent=True)
    gone = []
    widget.destroyed.connect(lambda: gone.append(True))
    viewer.close()
    qtbot.waitUntil(lambda: bool(gone))
    assert worker.cancelling.is_set()
    assert not napari_progress._all_instances
    computing.release()
    assert QThreadPool.globalInstance().waitForDone(2000)


def test_dock_closed_during_a_run(open_widget, start, grey, qtbot):
    viewer, widget = open_widget(grey)
    worker = start(widget)
    ties = widget._ties
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: not worker.is_running)
    qtbot.waitUntil(lambda: len(ties.viewer) == 0)
    assert QThreadPool.globalInstance().waitForDone(2000)
    assert not results(viewer)
    viewer.add_image(grey)  # would call into the deleted widget
    viewer.layers[0].name = "renamed"


def test_no_connection_outlives_the_widget(open_widget, grey):
    viewer, widget = open_widget(grey)
    emitters = [
        viewer.layers.events.inserted,
        viewer.layers[0].events.name,
        viewer.layers.selection.events.active,
        viewer.dims.events.current_step,
        viewer.layers[0].events.data,
    ]

    def ours():
        return sum(
            "napari_paf" in str(type(getattr(one[0](), "__self__", one[0]())))
            for emitter in emitters
            for one in emitter.callbacks
            if isinstance(one, tuple) and one[0]() is not None
        )

    assert ours() >= len(emitters)
    widget._ties.cut()
    assert ours() == 0


def test_two_layers_run_at_once(open_widget, computing, grey, qtbot):
    viewer, widget = open_widget(grey, grey[:10])
    other = type(widget)(viewer)
    viewer.window.add_dock_widget(other, name="second")
    widget.image_layer.value = viewer.layers["image 0"]
    other.image_layer.value = viewer.layers["image 1"]
    other.n_segments.value = 9
    computing.hold()
    widget.run()
    other.run()
    computing.release()
    qtbot.waitUntil(lambda: widget.worker is None and other.worker is None)
    np.testing.assert_array_equal(
        viewer.layers["image 0 superpixels"].data, computing.stripes(grey.shape, 300)
    )
    np.testing.assert_array_equal(
        viewer.layers["image 1 superpixels"].data, computing.stripes((10, 32), 9)
    )


def test_cancelling_one_of_two_runs_leaves_the_other(
    open_widget, computing, grey, qtbot
):
    viewer, widget = open_widget(grey)
    second = open_widget(grey)
    computing.hold()
    widget.run()
    second.widget.run()
    widget.cancel()
    qtbot.waitUntil(lambda: widget.worker is None)
    assert second.widget.worker is not None
    computing.release()
    qtbot.waitUntil(lambda: second.widget.worker is None)
    assert not results(viewer)
    assert len(results(second.viewer)) == 1


def test_two_viewers_keep_their_results(open_widget, computing, grey, qtbot):
    first = open_widget(grey)
    second = open_widget(grey[:10])
    computing.hold()
    first.widget.run()
    second.widget.run()
    computing.release()
    qtbot.waitUntil(
        lambda: first.widget.worker is None and second.widget.worker is None
    )
    assert [layer.data.shape for layer in results(first.viewer)] == [grey.shape]
    assert [layer.data.shape for layer in results(second.viewer)] == [(10, 32)]


def test_error_when_the_layer_is_gone_meanwhile(
    open_widget, computing, start, finish, grey, notifications
):
    viewer, widget = open_widget(grey)
    computing.error = ValueError("mask: no pixel is inside; mark at least one.")
    start(widget)
    viewer.layers.clear()
    finish(widget)
    assert [message for _, message in notifications] == [str(computing.error)]
    assert not results(viewer)
