"""Runs beside the window, the loading ahead, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from qtpy.QtCore import QThreadPool

from napari_paf.widgets.common import warmup
from napari_paf.widgets.common.worker import Cancelled, Run


@pytest.fixture
def start(qtbot, mock_app_model):
    """Return a function that starts a run and records what it tells."""

    def start_(job):
        run = Run(job, "Test")
        told = []
        run.progressed.connect(lambda *step: told.append(step))
        run.done.connect(lambda value: told.append(("done", value)))
        run.failed.connect(lambda error: told.append(("failed", error)))
        run.cancelled.connect(lambda: told.append("cancelled"))
        run.ended.connect(lambda: told.append("ended"))
        run.ended.connect(run.deleteLater)
        return run, told

    return start_


def test_importing_the_widget_loads_nothing_heavy():
    code = (
        "import sys, napari_paf.widgets.superpixels; "
        "print([m for m in ('torch', 'napari_paf.clustering.entropy_rate', "
        "'napari_paf.pipeline') if m in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "[]"


def test_progress_then_result(start, qtbot):
    def job(progress):
        progress(0.25, "One")
        progress(0.75, "Two")
        return threading.current_thread() is threading.main_thread()

    run, told = start(job)
    qtbot.waitUntil(lambda: "ended" in told)
    assert (0.25, "One") in told
    assert (0.75, "Two") in told
    assert told[-2:] == [("done", False), "ended"]
    assert run.worker is None


def test_many_reports_of_one_step_are_thinned_out(start, qtbot):
    def job(progress):
        for number in range(10_000):
            progress(number / 10_000, "Same step")

    _, told = start(job)
    qtbot.waitUntil(lambda: "ended" in told)
    assert len(told) < 1_000


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("x"), KeyError("x")])
def test_error_is_told_once(start, qtbot, error):
    def job(progress):
        raise error

    _, told = start(job)
    qtbot.waitUntil(lambda: "ended" in told)
    assert told[-2:] == [("failed", error), "ended"]


def test_cancelling_raises_from_the_callback(start, qtbot):
    reached = threading.Event()
    seen = []

    def job(progress):
        try:
            while True:
                progress(0.5, "Working")
                reached.set()
        except Cancelled as error:
            seen.append(error)
            raise

    run, told = start(job)
    qtbot.waitUntil(reached.is_set)
    run.cancel()
    qtbot.waitUntil(lambda: "ended" in told)
    assert told[-2:] == ["cancelled", "ended"]
    assert len(seen) == 1


def test_job_that_reports_nothing_is_given_up_within_a_second(start, qtbot):
    go_on = threading.Event()
    reached = threading.Event()

    def job(progress):
        reached.set()
        assert go_on.wait(30)
        progress(0.5, "Much later")
        raise AssertionError("a report after the cancelling ends the job")

    run, told = start(job)
    qtbot.waitUntil(reached.is_set)
    run.cancel()
    assert run._patience.isActive()
    assert run._patience.interval() < 1000  # milliseconds
    qtbot.waitUntil(lambda: "ended" in told)
    assert not go_on.is_set()
    go_on.set()
    assert QThreadPool.globalInstance().waitForDone(5000)
    assert told[-2:] == ["cancelled", "ended"]


def test_released_run_tells_nothing(start, qtbot):
    go_on = threading.Event()
    run, told = start(lambda progress: go_on.wait(30))
    run.release()
    go_on.set()
    assert QThreadPool.globalInstance().waitForDone(5000)
    qtbot.waitUntil(lambda: told == ["ended"])


@pytest.fixture
def nothing_loaded(monkeypatch):
    """Forget that the heavy parts are loaded, until the end of the test."""
    monkeypatch.setattr(warmup, "known", warmup.Backends())
    monkeypatch.setattr(warmup, "_worker", None)
    monkeypatch.setattr(warmup, "_finished", False)


def test_opening_the_widget_finds_models_and_devices(
    real_warm_up, nothing_loaded, monkeypatch, open_widget, grey, qtbot
):
    threads = []
    models = ("default", "membranes")

    def load(progress):
        threads.append(threading.current_thread())
        return warmup.Backends(models, ("auto", "cpu", "cuda"))

    monkeypatch.setattr(warmup, "_load", load)
    monkeypatch.setattr(warmup, "_model_names", lambda: models)
    first = open_widget(grey).widget
    second = open_widget(grey).widget
    first.model.value = "gradient"
    qtbot.waitUntil(lambda: "membranes" in second.model.choices)
    third = open_widget(grey).widget
    for widget in (first, second, third):
        assert "membranes" in widget.model.choices
        assert "cuda" in widget.device.choices
    assert first.model.value == "gradient"
    assert third.model.value == "gradient"  # as in the session so far
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_loading_that_fails_is_left_to_the_run(
    real_warm_up, nothing_loaded, monkeypatch, open_widget, grey, qtbot, notifications
):
    def broken():
        raise ImportError("no torch")

    monkeypatch.setattr(warmup, "_look_around", broken)
    widget = open_widget(grey).widget
    qtbot.waitUntil(lambda: warmup._finished)
    assert widget.run_button.isEnabled()
    assert not notifications


def test_viewer_closed_while_loading(
    real_warm_up, nothing_loaded, monkeypatch, open_widget, grey, qtbot
):
    go_on = threading.Event()

    def load(progress):
        assert go_on.wait(30)
        return warmup.Backends()

    monkeypatch.setattr(warmup, "_load", load)
    viewer, _ = open_widget(grey)
    viewer.close()
    go_on.set()
    qtbot.waitUntil(lambda: warmup._finished)
