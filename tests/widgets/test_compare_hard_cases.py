"""Comparing while layers and viewers come and go, and cancelling it."""

from __future__ import annotations

import threading

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import QThreadPool

from napari_paf import metrics

ROWS, COLUMNS = np.indices((20, 24))
TRUTH = (ROWS // 10 * 2 + COLUMNS // 12).astype(np.uint8)
LABELS = (ROWS // 7 * 9 + COLUMNS // 5 + 1).astype(np.uint16)


class Held:
    """Takes the place of `evaluate` and waits, without a report."""

    def __init__(self):
        self.reached = threading.Semaphore(0)
        self.gate = threading.Event()
        self.real = metrics.evaluate

    def __call__(self, *args, **options):
        self.reached.release()
        assert self.gate.wait(30)
        return self.real(*args, **options)


@pytest.fixture
def held(monkeypatch):
    """Hold all measuring until ``held.gate.set()``."""
    fake = Held()
    monkeypatch.setattr(metrics, "evaluate", fake)
    yield fake
    fake.gate.set()


@pytest.fixture
def start(make_napari_viewer_proxy, qtbot, held):
    """Return a function that opens a viewer, starts a run, and waits until it works."""

    def start_():
        viewer = make_napari_viewer_proxy(strict_qt="raise")
        viewer.add_labels(TRUTH.copy(), name="truth")
        viewer.add_labels(LABELS.copy(), name="labels")
        _, widget = viewer.window.add_plugin_dock_widget(
            "napari-paf", "Compare with ground truth"
        )
        widget.labels_layer.value = viewer.layers["labels"]
        widget.truth_layer.value = viewer.layers["truth"]
        widget.run_button.click()
        qtbot.waitUntil(lambda: held.reached.acquire(blocking=False), timeout=20_000)
        return viewer, widget

    return start_


@pytest.fixture
def finish(held, qtbot):
    """Return a function that lets a run go on to its end."""

    def finish_(widget):
        held.gate.set()
        qtbot.waitUntil(lambda: widget.worker is None, timeout=20_000)

    return finish_


def test_cancel_while_nothing_is_reported(start, held, qtbot):
    viewer, widget = start()
    widget.cancel_button.click()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=5000)
    assert widget.message == "Cancelled."
    assert widget.results == []
    held.gate.set()
    assert QThreadPool.globalInstance().waitForDone(5000)
    assert len(viewer.layers) == 2
    assert widget.run_button.isEnabled()


def test_one_run_at_a_time(start, finish, held):
    _, widget = start()
    worker = widget.worker
    assert widget.run_button.isHidden()
    assert not widget.curve_button.isEnabled()
    widget.run()
    assert widget.worker is worker
    finish(widget)


def test_renamed_and_reordered(start, finish):
    viewer, widget = start()
    viewer.layers["labels"].name = "renamed"
    viewer.layers.move(0, 2)
    finish(widget)
    assert "renamed leaking" in viewer.layers
    assert len(widget.results) == 1


def test_removed_layers_are_measured_all_the_same(start, finish):
    viewer, widget = start()
    viewer.layers["labels"].translate = (3, 4)
    viewer.layers.clear()
    finish(widget)
    expected = metrics.evaluate.real(LABELS, TRUTH)
    name = "achievable_segmentation_accuracy"
    assert widget.results[0][name] == expected[name]
    assert [layer.name for layer in viewer.layers] == ["labels leaking"]
    assert "no labels layer" in widget.message


def test_edited_labels_are_told(start, finish, notifications):
    viewer, widget = start()
    viewer.layers["labels"].data_setitem((np.array([0]), np.array([0])), 99)
    finish(widget)
    assert "changed during the run" in widget.message
    assert any("changed during the run" in text for _, text in notifications)
    expected = metrics.evaluate.real(LABELS, TRUTH)  # as it was
    assert widget.results[0]["n_segments"] == expected["n_segments"]


def test_edits_after_a_run_are_told(start, finish, qtbot):
    viewer, widget = start()
    finish(widget)
    assert "measured in" in widget.message
    viewer.layers["truth"].data_setitem((np.array([0]), np.array([0])), 7)
    qtbot.waitUntil(lambda: "has changed since" in widget.message)
    assert "truth" in widget.message


def test_two_viewers(start, finish, held):
    first = start()
    second = start()
    for viewer, widget in (first, second):
        finish(widget)
        assert [x.name for x in viewer.layers] == ["truth", "labels", "labels leaking"]
        assert len(widget.results) == 1


def test_viewer_closed_during_a_run(start, held):
    viewer, _ = start()
    viewer.close()
    held.gate.set()
    assert QThreadPool.globalInstance().waitForDone(10_000)


def test_widget_closed_during_a_run(start, held, qtbot):
    viewer, widget = start()
    viewer.window.remove_dock_widget(widget)
    held.gate.set()
    assert QThreadPool.globalInstance().waitForDone(10_000)
    qtbot.waitUntil(lambda: not viewer.window.dock_widgets)
    viewer.layers["labels"].name = "other"  # nobody listens any more
    assert len(viewer.layers) == 2


def test_failures_are_told(start, held, qtbot, notifications):
    def fail(*args, **options):
        raise MemoryError

    _, widget = start()
    held.real = fail
    held.gate.set()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=20_000)
    assert "not enough memory" in widget.message
    assert "not enough memory" in notifications[-1][1]


def test_nothing_in_common(start, finish):
    viewer, widget = start()
    finish(widget)
    viewer.layers["truth"].data = np.zeros_like(TRUTH)
    widget.unlabelled.value = 0
    widget.run()
    finish(widget)
    assert "no superpixel where the ground truth is labelled" in widget.message


@pytest.fixture
def compare(make_napari_viewer_proxy, qtbot):
    """Return a function that compares two labels layers, and gives the widget."""

    def compare_(labels, truth, **options):
        viewer = make_napari_viewer_proxy(strict_qt="raise")
        viewer.add_labels(truth, name="truth", **options)
        viewer.add_labels(labels, name="labels", **options)
        _, widget = viewer.window.add_plugin_dock_widget(
            "napari-paf", "Compare with ground truth"
        )
        widget.labels_layer.value = viewer.layers["labels"]
        widget.truth_layer.value = viewer.layers["truth"]
        return viewer, widget

    return compare_


def test_one_pixel(compare, qtbot):
    viewer, widget = compare(np.ones((1, 1), np.uint8), np.ones((1, 1), np.uint8))
    widget.run()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=20_000)
    assert widget.results[0]["achievable_segmentation_accuracy"] == 1
    assert not viewer.layers["labels leaking"].data.any()


def test_huge_multiscale_labels(compare):
    def chunk(block_info=None):
        raise AssertionError("the finest level is never read")

    finest = da.map_blocks(
        chunk, chunks=((3000,) * 10,) * 2, dtype=np.uint8, meta=np.zeros((0, 0), "u1")
    )
    coarse = [da.zeros((30_000 // f,) * 2, dtype=np.uint8) for f in (8, 64)]
    _, widget = compare([finest, *coarse], [finest, *coarse], multiscale=True)
    assert "30000" in widget.reason
    widget.run()
    assert widget.worker is None
