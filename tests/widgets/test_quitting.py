"""napari can be quit at any time: without a crash, and without a long wait."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from numba import njit

from napari_paf.widgets.common.compiling import CompilerStop, CompilingStopped

# Quits when what it waits for happens.
_PROGRAM = """
import sys, threading

import napari
import numpy as np
from qtpy.QtCore import QTimer

what, wanted = sys.argv[1:]
image = np.random.default_rng(0).integers(0, 255, (400, 400), dtype=np.uint8)
viewer = napari.Viewer()
viewer.add_image(image, name="cells")
labels = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((100, 100), np.uint8))
viewer.add_labels(labels, name="cells labels")
_, widget = viewer.window.add_plugin_dock_widget("napari-paf", what)

def compiling():
    event = sys.modules.get("numba.core.event")
    if event is None or not hasattr(event, "Listener"):
        return False
    if not hasattr(compiling, "seen"):
        compiling.seen = threading.Event()

        class Listener(event.Listener):
            def on_start(self, event):
                if event.data["qualname"] == "drain":
                    compiling.seen.set()

            def on_end(self, event):
                pass

        event.register("numba:run_pass", Listener())
    return compiling.seen.is_set()

def reached():
    if wanted == "opened":
        return True
    if wanted == "compiling":
        return compiling()
    return wanted in widget.message

def look():
    if reached():
        timer.stop()
        viewer.close()

timer = QTimer()
timer.timeout.connect(look)
timer.start(5)
if wanted not in ("opened", "compiling"):
    QTimer.singleShot(0, widget.run)
napari.run()
"""


# Ends without napari's loop, while the widget loads and compiles in the background.
_SCRIPT = """
import napari
from qtpy.QtWidgets import QApplication

viewer = napari.Viewer()
_, widget = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
QApplication.processEvents()
viewer.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("widget", "wanted", "compiled"),
    [
        ("Superpixels", "opened", False),
        ("Superpixels", "compiling", False),
        ("Superpixels", "Predicting", True),
        ("Superpixels", "Clustering", False),
        ("Train affinity model", "Measuring", False),
        ("Train affinity model", "Training, step", True),
    ],
)
def test_quitting(qapp, tmp_path, widget, wanted, compiled):
    environment = {**os.environ, "NAPARI_PAF_MODELS": str(tmp_path / "models")}
    environment["NAPARI_CONFIG"] = str(tmp_path / "settings.yaml")
    if not compiled:
        environment["NUMBA_CACHE_DIR"] = str(tmp_path / "numba")
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", _PROGRAM, widget, wanted],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,  # training takes five minutes
    )
    assert done.returncode == 0, done.stderr
    for trace in ("Traceback", "Fatal", "QThread", "Aborted"):
        assert trace not in done.stderr
    # What is compiled to the end is kept there.
    assert not list((tmp_path / "numba").rglob("*drain.drain*"))


@pytest.mark.slow
def test_script_that_ends(qapp, tmp_path):
    environment = {**os.environ, "NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    environment["NUMBA_CACHE_DIR"] = str(tmp_path / "numba")
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", _SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    for trace in ("Traceback", "Fatal", "QThread", "Aborted"):
        assert trace not in done.stderr


def test_compiling_ends_and_can_be_had_again():
    @njit
    def double(number):
        return 2 * number

    ended = []

    def work(press):
        stop = CompilerStop()
        with stop:
            if press:
                stop.press()
            try:
                ended.append(double(3))
            except CompilingStopped:
                ended.append("stopped")

    for press in (True, False):
        thread = threading.Thread(target=work, args=(press,))
        thread.start()
        thread.join()
    assert ended == ["stopped", 6]


def test_compiling_for_others_goes_on():
    @njit
    def double(number):
        return 2 * number

    doubled = []
    ending, other = CompilerStop(), CompilerStop()
    with ending, other:
        ending.press()
        thread = threading.Thread(target=lambda: doubled.append(double(3)))
        thread.start()
        thread.join()
    assert doubled == [6]
