"""What a training does beside the window, and how the window steers it."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_paf._progress import part
from napari_paf.widgets.common import warmup
from napari_paf.widgets.common.worker import Cancelled
from napari_paf.widgets.train.read import read_samples
from napari_paf.widgets.train.texts import NO_MEMORY, PREVIEW_FAILED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_paf._progress import Progress
    from napari_paf.widgets.train.preview import PreviewJob
    from napari_paf.widgets.train.read import Source

_logger = logging.getLogger(__name__)
# At most a fifth of the time goes to previews.
_PREVIEW_PAUSE = 4
_BATCH = {"cpu": 4, "gpu": 8}  # small steps, so that they can be ended soon
_SIZE = 128  # pixels along the edge of the parts that are learnt from
_threads = threading.Lock()
_n_spared = 0
_n_threads_before = 1


class News(QObject):
    """What the worker tells the window."""

    event = Signal(object)
    preview = Signal(object)
    remark = Signal(str)


class Steering:
    """How the window holds or ends a training."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.stopping = threading.Event()

    def stop(self) -> None:
        """End at the next step and keep the best model."""
        self.stopping.set()
        self.goes_on.set()


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes
    ----------
    name, path : str, Path or None
        Of the model, as it was saved; None if nothing was learnt or saved.
    step, seconds : int, float
        How long it was.
    start, best : float or None
        Accuracy at first and of the model, if any was measured.
    remark : str
        What else the user should know.
    unsaved : AffinityModel or None
        The model, if it could not be written anywhere.
    """

    name: str
    path: Path | None
    step: int
    seconds: float
    start: float | None
    best: float | None
    remark: str = ""
    unsaved: Any = None


@dataclass(frozen=True)
class TrainRequest:
    """The arguments of a training; calling it trains, in any thread."""

    sources: tuple[Source, ...]
    name: str
    unlabelled: int | None = None
    init: Any = "default"
    duration: float = 5.0
    unit: str = "minutes"
    loss: str = "cross-entropy"
    seed: int = 0
    device: str = "auto"
    preview: PreviewJob | None = None
    news: News = field(default_factory=News)
    steering: Steering = field(default_factory=Steering)

    def __call__(self, progress: Progress) -> Trained:
        """Train, and keep the model under its name."""
        progress(0, "Loading PyTorch and Numba")
        import torch

        from napari_paf.affinity.device import is_out_of_memory, release_memory

        with _spare_a_core():
            try:
                return self._train(progress)
            except Exception as error:
                # Else the network would live as long as somebody has the error.
                traceback.clear_frames(error.__traceback__)
                if is_out_of_memory(error):
                    raise MemoryError(NO_MEMORY) from None
                raise
            finally:
                if torch.cuda.is_available():
                    release_memory(torch.device("cuda"))

    @property
    def batch(self) -> int:
        """How many parts of images are learnt from at a time."""
        on_card = self.device not in ("cpu", "auto") or (
            self.device == "auto" and "cuda" in warmup.known.devices
        )
        return _BATCH["gpu" if on_card else "cpu"]

    @property
    def size(self) -> int:
        """How many pixels there are along the edge of such a part."""
        return _SIZE

    def length(self, n_pixels: int) -> dict[str, Any]:
        """Return for how long to train, as arguments of `train_affinity`.

        `n_pixels` is how many there are to learn from.
        """
        if self.unit == "minutes":
            return {"seconds": 60 * self.duration, "event_every": 10}
        steps = self.duration
        if self.unit == "epochs":
            steps *= n_pixels / (self.batch * self.size**2)
        whole = max(1, round(steps))
        return {"steps": whole, "event_every": max(1, min(20, whole // 10))}

    def _train(self, progress: Progress) -> Trained:
        from napari_paf import train_affinity

        start = time.perf_counter()
        progress(0.01, "Reading the layers")
        samples, held_out = read_samples(self.sources, self.unlabelled, progress)
        fraction = 0.0
        within = part(progress, 0.03, 0.98)

        def report(done: float, description: str) -> None:
            nonlocal fraction
            fraction = done
            within(done, description)

        def should_stop() -> bool:
            while not self.steering.goes_on.wait(0.2):
                within(fraction, "Paused")  # raises when cancelled
            return self.steering.stopping.is_set()

        events = train_affinity(
            samples,
            init=self.init,
            validation=held_out,
            batch=self.batch,
            size=self.size,
            loss=self.loss,  # type: ignore[arg-type]
            seed=self.seed,
            device=self.device,
            name=self.name,
            should_stop=should_stop,
            progress=report,
            **self.length(sum(sample.codes[0].size for sample in samples)),
        )
        previews = _Previews(self, lambda _f, text: within(fraction, text))
        first: float | None = None
        for event in events:
            if event.step == 0 and not event.finished:
                first = event.validation
            self.news.event.emit(dataclasses.replace(event, model=None))
            previews.offer(event.model, last=event.finished)
        assert event.model is not None
        progress(0.99, "Saving the model")
        seconds = time.perf_counter() - start
        if event.step == 0:  # stopped before anything was learnt
            return Trained(self.name, None, 0, seconds, first, event.best)
        name, path, remark = keep(event.model, self.name)
        unsaved = event.model if path is None else None
        try:
            progress(1.0, "Saved")
        except Cancelled:  # meanwhile
            if path is not None:
                path.unlink()
            raise
        return Trained(
            name, path, event.step, seconds, first, event.best, remark, unsaved
        )


class _Previews:
    """Makes previews of the newest best model, now and then."""

    def __init__(self, request: TrainRequest, progress: Progress) -> None:
        self._job = request.preview
        self._request = request
        self._progress = progress
        self._pixels: Any = None
        self._waiting: Any = None
        self._next = 0.0

    def offer(self, model: Any, *, last: bool) -> None:
        """Show what a model gives, or the one before if that has not been shown."""
        self._waiting = model or self._waiting
        if self._job is None or self._waiting is None:
            return
        start = time.monotonic()
        if start < self._next and not last:
            return
        news, model, self._waiting = self._request.news, self._waiting, None
        try:
            self._progress(0, "Making the preview")
            if self._pixels is None:
                self._pixels = self._job.read()
            labels = self._job(self._pixels, model, self._request.device, self._checked)
        except Cancelled:
            raise
        except Exception as error:
            # The model matters, not its picture.
            _logger.debug("the preview failed", exc_info=error)
            self._job = None
            news.remark.emit(PREVIEW_FAILED.format(error))
            return
        news.preview.emit(labels)
        now = time.monotonic()
        self._next = now + _PREVIEW_PAUSE * (now - start)

    def _checked(self, fraction: float, description: str) -> None:
        self._progress(fraction, "Making the preview")


def keep(model: Any, name: str) -> tuple[str, Path | None, str]:
    """Save a trained model wherever that can be done.

    Returns its name, its file, and a remark; no file if nothing can be written.
    """
    from napari_paf.affinity.model_store import free_name, save_user_model

    try:
        try:
            return name, save_user_model(model, name), ""
        except ValueError:  # somebody took the name meanwhile
            other = free_name(name)
            path = save_user_model(model, other)
            return other, path, f"The name \u201c{name}\u201d was taken meanwhile."
    except OSError as error:
        remark = f"The folder of models could not be written ({error})."
    try:
        path = Path(tempfile.mkdtemp(prefix="napari-paf-")) / "model.safetensors"
        model.save(path)
    except OSError:
        return name, None, remark
    return name, path, remark


@contextlib.contextmanager
def _spare_a_core() -> Iterator[None]:
    """Leave a core to the window while PyTorch calculates."""
    import torch

    global _n_spared, _n_threads_before
    with _threads:
        if _n_spared == 0:
            _n_threads_before = torch.get_num_threads()
        _n_spared += 1
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    n_cores = n_cores or os.cpu_count() or 1
    torch.set_num_threads(max(1, min(_n_threads_before, n_cores - 1)))
    try:
        yield
    finally:
        with _threads:
            _n_spared -= 1
            if _n_spared == 0:
                torch.set_num_threads(_n_threads_before)
