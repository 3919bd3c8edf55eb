"""Cancel, pause and stop; layers, viewers and folders that go away."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from qtpy.QtCore import QThreadPool

from napari_paf import load_model
from napari_paf.affinity import model_store
from napari_paf.affinity.model_names import user_models
from napari_paf.widgets.common import warmup
from napari_paf.widgets.train.request import _spare_a_core
from napari_paf.widgets.train.texts import NOTHING_LEARNT, UNSAVED

ENDLESS = 100_000  # steps


@pytest.fixture
def start(open_training, cells, qtbot):
    """Return a function that starts an endless training and waits for some steps."""

    def start_(*pairs, **options):
        viewer, widget = open_training(*(pairs or (cells,)), steps=ENDLESS)
        for name, value in options.items():
            getattr(widget, name).value = value
        widget.run()
        qtbot.waitUntil(lambda: "Training, step" in widget.message, timeout=30_000)
        return viewer, widget

    return start_


@pytest.fixture
def end(qtbot):
    """Return a function that waits for the end of a training, which is soon."""

    def end_(widget):
        qtbot.waitUntil(lambda: widget.worker is None, timeout=2000)
        assert QThreadPool.globalInstance().waitForDone(5000)

    return end_


def test_buttons_of_the_moment(start, end):
    _, widget = start()
    buttons = {
        name: getattr(widget, f"{name}_button")
        for name in ("run", "pause", "stop", "cancel")
    }
    assert [name for name, b in buttons.items() if not b.isHidden()] == [
        "pause",
        "stop",
        "cancel",
    ]
    buttons["cancel"].click()
    end(widget)
    assert [name for name, b in buttons.items() if not b.isHidden()] == ["run"]
    assert widget.run_button.isEnabled()


@pytest.mark.parametrize("paused", [False, True])
def test_cancel_keeps_nothing(start, end, qtbot, paused):
    viewer, widget = start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)  # the preview
    if paused:
        widget.pause_button.click()
        qtbot.waitUntil(lambda: "Paused" in widget.message)
    widget.cancel_button.click()
    end(widget)
    assert widget.message == "Cancelled."
    assert not user_models()
    assert len(viewer.layers) == 2


def test_cancel_at_once(open_training, cells, end, qtbot):
    viewer, widget = open_training(cells, steps=ENDLESS)
    widget.run()
    widget.cancel()
    end(widget)
    assert len(viewer.layers) == 2
    widget.run()  # again, to its end this time
    qtbot.waitUntil(lambda: "Training, step" in widget.message, timeout=30_000)
    widget.stop()
    end(widget)
    assert len(user_models()) == 1


def test_pause_holds_the_steps_and_resume_goes_on(start, end, qtbot):
    _, widget = start(preview=False)
    said = []
    widget._run.progressed.connect(lambda _, text: said.append(text))
    widget.pause_button.click()
    assert widget.paused
    assert widget.pause_button.text() == "Resume"
    qtbot.waitUntil(lambda: said.count("Paused") > 3)
    assert set(said[said.index("Paused") :]) == {"Paused"}
    n_points = len(widget.plot.curves[0].x)
    widget.pause_button.click()
    assert not widget.paused
    assert widget.pause_button.text() == "Pause"
    qtbot.waitUntil(lambda: said[-1].startswith("Training"))
    qtbot.waitUntil(lambda: len(widget.plot.curves[0].x) > n_points, timeout=30_000)
    widget.cancel()
    end(widget)


@pytest.mark.parametrize("paused", [False, True])
def test_stop_keeps_the_best(start, end, qtbot, paused):
    viewer, widget = start()
    if paused:
        widget.pause()
        qtbot.waitUntil(lambda: "Paused" in widget.message)
    widget.stop_button.click()
    assert not widget.pause_button.isEnabled()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=10_000)
    assert list(user_models()) == ["cells 0 model"]
    assert len(viewer.layers) == 2


def test_layers_renamed_reordered_and_removed(start, end, qtbot):
    viewer, widget = start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)
    viewer.layers["cells 0"].name = "renamed"
    viewer.layers.move(0, 1)
    viewer.layers.remove("cells 0 labels")
    viewer.layers.remove("renamed")
    n_points = len(widget.plot.curves[0].x)
    qtbot.waitUntil(lambda: len(widget.plot.curves[0].x) > n_points, timeout=30_000)
    widget.stop()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=10_000)
    assert list(user_models()) == ["cells 0 model"]
    assert not viewer.layers
    assert "Open an image" in widget.message


def test_a_preview_that_is_removed_stays_away(start, end, qtbot):
    viewer, widget = start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)
    viewer.layers.remove("cells 0 training preview")
    shown = []
    widget._request.news.preview.connect(shown.append)
    qtbot.waitUntil(lambda: bool(shown), timeout=30_000)
    assert len(viewer.layers) == 2
    widget.cancel()
    end(widget)


def test_a_failing_preview_ends_nothing(
    open_training, cells, run, monkeypatch, notifications
):
    def fail(*args, **kwargs):
        raise MemoryError("too large")

    monkeypatch.setattr("napari_paf.pipeline.superpixels", fail)
    viewer, widget = open_training(cells)
    run(widget)
    assert len(user_models()) == 1
    assert len(viewer.layers) == 2
    assert [text for _, text in notifications if "too large" in text]


def test_viewer_closed(start):
    viewer, widget = start()
    worker = widget.worker
    viewer.close()
    assert worker.cancelling.is_set()
    assert QThreadPool.globalInstance().waitForDone(10_000)
    assert not user_models()


def test_widget_closed(start, qtbot):
    viewer, widget = start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3)
    ties = widget._ties
    viewer.window.remove_dock_widget(widget)
    qtbot.waitUntil(lambda: not len(ties.viewer))
    assert QThreadPool.globalInstance().waitForDone(10_000)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    assert not user_models()


def test_two_viewers_one_name(start, open_training, cells, qtbot):
    _, one = start(preview=False)
    _, other = open_training(cells, steps=2)
    assert one.name.value == other.name.value
    other.run()
    qtbot.waitUntil(lambda: other.worker is None, timeout=30_000)
    one.stop()
    qtbot.waitUntil(lambda: one.worker is None, timeout=10_000)
    assert list(user_models()) == ["cells 0 model", "cells 0 model 2"]
    assert "was taken meanwhile" in one.message


def test_a_folder_that_cannot_be_written(
    open_training, cells, run, monkeypatch, tmp_path
):
    _, widget = open_training(cells)
    blocked = Path(os.environ["NAPARI_PAF_MODELS"])
    blocked.write_text("a file is in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run(widget)
    assert "could not be written" in widget.message
    path = Path(widget.message.split(" It is in ")[1].removesuffix("."))
    assert path.is_relative_to(tmp_path)
    assert load_model(path).summary["started from"] == "tiny"
    assert blocked.is_file()


def test_no_memory_on_the_card(open_training, cells, run, monkeypatch, notifications):
    import napari_paf

    def fail(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(napari_paf, "train_affinity", fail)
    _, widget = open_training(cells)
    run(widget)
    assert "choose the processor under Device" in widget.message
    assert widget.run_button.isEnabled()


@pytest.mark.parametrize(
    ("pair", "unlabelled", "reason"),
    [
        ((np.ones((1, 1), np.uint8), np.ones((1, 1), int)), None, "No two neighb"),
        ((np.ones((9, 9), np.uint8), np.eye(9, dtype=int)), 0, "No two neighb"),
        ((np.full((9, 9), np.nan), np.eye(9, dtype=int)), None, "\u201ccells 0\u201d"),
    ],
)
def test_nothing_to_learn(open_training, run, pair, unlabelled, reason):
    _, widget = open_training(pair)
    widget.unlabelled.value = unlabelled
    run(widget)
    assert reason in widget.message
    assert not user_models()


def test_torch_gets_its_threads_back():
    before = torch.get_num_threads()
    with _spare_a_core():
        with _spare_a_core():
            assert torch.get_num_threads() <= before
        assert torch.get_num_threads() <= before
    assert torch.get_num_threads() == before


def test_stopped_before_anything_is_learnt(open_training, cells, end, qtbot):
    _, widget = open_training(cells, steps=ENDLESS)
    widget.run()
    widget.stop()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=30_000)
    assert widget.message == NOTHING_LEARNT
    assert not user_models()
    assert not widget.reason


def test_cancelled_while_the_model_is_written(open_training, cells, qtbot, monkeypatch):
    _, widget = open_training(cells)
    save = model_store.save_user_model

    def slowly(model, name):
        path = save(model, name)
        widget._run.worker.cancel()
        return path

    monkeypatch.setattr(model_store, "save_user_model", slowly)
    widget.run()
    qtbot.waitUntil(lambda: widget.worker is None, timeout=30_000)
    assert not user_models()


def test_what_came_of_it_is_said_beside_why_it_cannot_start(
    open_training, cells, qtbot
):
    viewer, widget = open_training(cells)
    widget.run()
    viewer.layers.remove("cells 0 labels")
    qtbot.waitUntil(lambda: widget.worker is None, timeout=30_000)
    assert "is trained" in widget.message
    assert widget.reason in widget.message


def test_a_typed_name_goes_on_counting(open_training, cells, run):
    _, widget = open_training(cells)
    for name in ("my cells", "my cells 2"):
        if name == "my cells":
            widget.name.value = name
        run(widget)
        assert f"\u201c{name}\u201d is trained" in widget.message
        assert name in user_models()
        assert not widget.reason
    assert widget.name.value == "my cells 3"


def test_a_name_that_is_free_again(open_training, cells, run, monkeypatch):
    _, widget = open_training(cells)
    run(widget)
    (name,) = user_models()
    widget.name.value = name
    assert "taken" in widget.reason
    model_store.delete_user_model(name)
    warmup.models_changed()
    assert not widget.reason


@pytest.mark.parametrize("wish", ["\u7d30\u80de" * 45, "\u00e4" * 100])
def test_names_that_are_too_long_for_files(open_training, cells, run, wish):
    viewer, widget = open_training(cells)
    widget.name.value = wish[:100]
    if len(wish.encode()) > 220:
        assert "too long for a file" in widget.reason
    widget.name.value = ""
    viewer.layers["cells 0"].name = wish
    widget._suggest_name()
    assert not widget.reason
    run(widget)
    assert len(user_models()) == 1


def test_no_place_at_all(open_training, cells, run, monkeypatch, notifications):
    _, widget = open_training(cells)

    def full(*args, **options):
        raise OSError("No space left on device")

    monkeypatch.setattr(model_store, "save_user_model", full)
    monkeypatch.setattr(tempfile, "mkdtemp", full)
    run(widget)
    assert "No space left" in widget.message
    assert UNSAVED in widget.message
    assert widget.init.value.summary["started from"] == "tiny"  # the model itself


def test_durations_of_at_least_one_step(open_training, cells):
    _, widget = open_training(cells)
    for unit, least in (("steps", 1), ("epochs", 1), ("minutes", 0.01)):
        widget.unit.value = unit
        assert widget.duration.native.minimum() == least
