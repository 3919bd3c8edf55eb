"""A viewer with the widget, a stand-in for the computing, and leak checks."""

from __future__ import annotations

import gc
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

_HERE = Path(__file__).parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

os.environ["NAPARI_ENSURE_PLUGIN_MAIN_THREAD"] = "1"

pytest.importorskip("pytestqt")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what opens windows where there is no screen: Qt would abort."""
    if sys.platform != "linux":
        return
    if os.environ.get("DISPLAY") and "QT_QPA_PLATFORM" not in os.environ:
        return
    skip = pytest.mark.skip(reason="needs a screen; run under xvfb-run")
    for item in items:
        # napari's viewers need OpenGL, which Qt's offscreen platform lacks.
        fixtures = getattr(item, "fixturenames", ())
        if item.path.is_relative_to(_HERE) and "qapp" in fixtures:
            item.add_marker(skip)


class FakeHierarchy(NamedTuple):
    """Stripes, as many as asked for."""

    shape: tuple[int, ...]
    mask: NDArray[Any] | None

    def labels(self, n_segments: int) -> NDArray[np.uint16]:
        return FakeSuperpixels.stripes(self.shape, n_segments, self.mask)


class FakeSuperpixels:
    """Takes the place of `napari_paf.superpixel_hierarchy`; can be held in mid-run.

    ``hold()`` keeps the next calls waiting, reporting progress all the time
    (or not, with ``silent=True``), until ``release()``.
    """

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.reached = threading.Semaphore(0)
        self._gate = threading.Event()
        self._gate.set()
        self._silent = False

    def hold(self, *, silent: bool = False) -> None:
        self._gate.clear()
        self._silent = silent

    def release(self) -> None:
        self._gate.set()

    def __call__(
        self, image: NDArray[Any], n_segments: int, *, progress: Any, **options: Any
    ) -> FakeHierarchy:
        self.calls.append({"image": image, "n_segments": n_segments, **options})
        progress(0.0, "Predicting affinities")
        self.reached.release()
        if self._silent:
            assert self._gate.wait(30)
        while not self._gate.wait(0.005):
            progress(0.5, "Predicting affinities")
        if self.error is not None:
            raise self.error
        progress(1.0, "Clustering")
        channel_axis = options.get("channel_axis")
        shape = image.shape if channel_axis is None else image.shape[:-1]
        return FakeHierarchy(shape, options.get("mask"))

    @staticmethod
    def stripes(
        shape: tuple[int, ...], n_segments: int, mask: NDArray[Any] | None = None
    ) -> NDArray[np.uint16]:
        """Return labels 1 to n in raster order, 0 outside the mask."""
        inside = np.ones(shape, bool) if mask is None else mask != 0
        labels = np.zeros(shape, np.uint16)
        count = int(inside.sum())
        labels[inside] = np.arange(count) * n_segments // count + 1
        return labels


@pytest.fixture
def computing(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSuperpixels]:
    """Put a stand-in under our control in the place of the real computing."""
    fake = FakeSuperpixels()
    monkeypatch.setattr("napari_paf.pipeline.superpixel_hierarchy", fake)
    yield fake
    fake.release()


@pytest.fixture(autouse=True)
def _no_warming_up(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep the loading of PyTorch out of tests that are not about it."""
    from napari_paf.widgets.common import warmup

    if "real_warm_up" not in request.fixturenames:
        monkeypatch.setattr(warmup, "warm_up", lambda on_ready: None)


@pytest.fixture
def real_warm_up() -> None:
    """Mark a test in which the widget loads the heavy parts for real."""


@pytest.fixture(autouse=True)
def _fresh_session() -> None:
    """Forget what the widget remembers of earlier tests."""
    from napari_paf.widgets.common.preferences import REMEMBERED_VALUES

    REMEMBERED_VALUES.clear()


@pytest.fixture(scope="session")
def _modules_set_aside() -> None:
    """Load what viewers need and keep it out of every garbage collection to come."""
    import torch  # noqa: F401

    import napari_paf.widgets.painter
    import napari_paf.widgets.superpixels  # noqa: F401

    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves workers, threads, bars, widgets or connections behind."""
    if "qapp" not in request.fixturenames:
        yield
        return
    qapp = request.getfixturevalue("qapp")
    request.getfixturevalue("_modules_set_aside")
    from napari.utils import progress
    from qtpy.QtCore import QThreadPool
    from qtpy.QtWidgets import QApplication
    from superqt.utils import WorkerBase

    before = set(QApplication.topLevelWidgets())
    threads = set(threading.enumerate())
    yield
    assert QThreadPool.globalInstance().waitForDone(20_000), "a worker goes on"
    for _ in range(5):
        qapp.processEvents()
        qapp.sendPostedEvents(None, 52)  # QEvent.DeferredDelete
    gc.collect()
    assert not _started_since(threads)
    assert not WorkerBase._worker_set
    assert not progress._all_instances
    left = [
        widget
        for widget in set(QApplication.topLevelWidgets()) - before
        if type(widget).__module__.startswith("napari_paf")
    ]
    assert not left
    from napari_paf.widgets.common.events import Connections, _Relay

    tied = [
        thing
        for thing in gc.get_objects()
        if type(thing) is _Relay or (type(thing) is Connections and len(thing))
    ]
    assert not tied, "napari still calls a widget that is gone"


def _started_since(before: set[threading.Thread]) -> list[threading.Thread]:
    """Return the threads that go on; dask and zarr keep theirs for the next time."""
    pools: list[Any] = []
    if "dask.threaded" in sys.modules:
        dask = sys.modules["dask.threaded"]
        pools = [dask.default_pool]
        pools += [pool for own in dask.pools.values() for pool in own.values()]
    kept = {thread for pool in pools for thread in getattr(pool, "_threads", ())}
    return [
        thread
        for thread in set(threading.enumerate()) - before - kept
        if not isinstance(thread, threading._DummyThread)  # Qt's, seen above
        and not thread.name.startswith(("zarr_io", "asyncio_"))
    ]


class Opened(NamedTuple):
    viewer: Any
    widget: Any


@pytest.fixture
def open_widget(make_napari_viewer_proxy: Any) -> Callable[..., Opened]:
    """Return a function that opens a viewer with images and the widget."""

    def open_(*images: NDArray[Any], **options: Any) -> Opened:
        viewer = make_napari_viewer_proxy(strict_qt="raise")
        for number, image in enumerate(images):
            viewer.add_image(image, name=f"image {number}", **options)
        _, widget = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
        return Opened(viewer, widget)

    return open_


@pytest.fixture
def cancel_in_phase(qtbot: Any) -> Callable[..., None]:
    """Return a function that cancels a run at the first report of a phase."""

    def cancel(widget: Any, phase: str) -> None:
        steps: list[str] = []

        def look(fraction: float, description: str) -> None:
            steps.append(description)
            if phase in description:
                widget.cancel()

        widget.run()
        widget._run.progressed.connect(look)
        qtbot.waitUntil(lambda: widget.worker is None, timeout=60_000)
        assert phase in steps[-1], steps

    return cancel


@pytest.fixture
def run(qtbot: Any) -> Callable[..., None]:
    """Return a function that presses Run and waits until it has ended."""

    def run_(widget: Any, timeout: int = 30_000) -> None:
        assert widget.run_button.isEnabled(), widget.reason
        widget.run_button.click()
        qtbot.waitUntil(lambda: widget.worker is None, timeout=timeout)

    return run_


@pytest.fixture
def notifications() -> Iterator[list[tuple[str, str]]]:
    """Collect napari's notifications as (severity, message)."""
    from napari.utils.notifications import notification_manager

    seen: list[tuple[str, str]] = []

    def note(notification: Any) -> None:
        seen.append((str(notification.severity), notification.message))

    notification_manager.notification_ready.connect(note)
    yield seen
    notification_manager.notification_ready.disconnect(note)


@pytest.fixture
def grey() -> NDArray[np.uint8]:
    """Return a small picture."""
    return np.random.default_rng(1).integers(0, 255, (24, 32), dtype=np.uint8)


@pytest.fixture
def open_training(
    make_napari_viewer_proxy: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Opened]:
    """Return a function that opens a viewer with layers and the training widget.

    Trains a tiny network on tiny parts for a few steps, for real; models go
    into a folder of the test.
    """
    import torch

    from napari_paf.affinity.model import AffinityModel
    from napari_paf.affinity.unet import AffinityUNet, UNetConfig
    from napari_paf.widgets.common import warmup

    monkeypatch.setenv("NAPARI_PAF_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("napari_paf.widgets.train.request._SIZE", 32)
    monkeypatch.setattr("napari_paf.widgets.train.request._BATCH", {"cpu": 2, "gpu": 2})
    monkeypatch.setattr(warmup, "warm_up", warmup._loading.ready.connect)
    monkeypatch.setattr(warmup, "known", warmup.Backends())

    def open_(
        *pairs: tuple[NDArray[Any], NDArray[Any] | None], steps: int = 4, **options: Any
    ) -> Opened:
        viewer = make_napari_viewer_proxy(strict_qt="raise")
        for number, (image, labels) in enumerate(pairs):
            viewer.add_image(image, name=f"cells {number}", **options)
            if labels is not None:
                viewer.add_labels(labels, name=f"cells {number} labels", **options)
        _, widget = viewer.window.add_plugin_dock_widget(
            "napari-paf", "Train affinity model"
        )
        torch.manual_seed(0)
        config = UNetConfig(widths=(8, 12))
        network = AffinityUNet(config).eval()
        widget.init.value = AffinityModel(network, config, network.offsets, name="tiny")
        widget.unit.value = "steps"
        widget.duration.value = steps
        widget.device.value = "cpu"
        widget.n_segments.value = 9
        return Opened(viewer, widget)

    return open_


@pytest.fixture
def cells() -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return a picture of bright squares in the dark, and their labels."""
    labels = np.zeros((40, 48), np.uint16)
    for number, (row, column) in enumerate(np.ndindex(3, 4)):
        labels[12 * row + 2 :, 12 * column + 2 :][:9, :9] = number + 1
    noise = np.random.default_rng(0).integers(0, 40, labels.shape)
    return (noise + 150 * (labels > 0)).astype(np.uint8), labels
