"""One way for every widget to run a long job beside the window.

The job is a function of one argument, the progress callback of
`napari_paf._progress`. It runs in a napari generator worker; it is cancelled
by raising from the callback.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils import cancelable_progress
from qtpy.QtCore import QObject, QTimer, Signal

from napari_paf._progress import Progress
from napari_paf.widgets.common.compiling import CompilerStop

Job = Callable[[Progress], Any]

# Imports and compiled code cannot be interrupted. A job that has not noticed
# the cancelling by then goes on unseen until its next report.
_PATIENCE_MS = 700
_SHORTEST_BREAK = 0.04  # seconds between two reports of the same step
_REDRAW_MS = 100  # of the bar in napari's activity dock


class Cancelled(Exception):
    """Raised from the progress callback to end a cancelled job."""


@dataclass
class Failure:
    """What a job worker returns when its job has failed."""

    error: Exception


class JobWorker(GeneratorWorker):
    """Worker that can be ended in the middle of a long step of its job."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cancelling = threading.Event()
        self._compiling = CompilerStop()

    def cancel(self) -> None:
        """End the job at its next report."""
        self.cancelling.set()
        super().quit()

    def quit(self) -> None:
        """End the job as soon as can be: napari quits, and waits for its workers."""
        self.cancel()
        self._compiling.press()

    def work(self) -> Any:
        """Do the job, in the worker's thread."""
        with self._compiling:
            return super().work()


# napari waits for workers when its loop ends; a script may end without that loop,
# and a worker that is still at work then would use objects that are gone.
atexit.register(JobWorker.await_workers)


class Run(QObject):
    """A job that is running, seen from the window's thread.

    Exactly one of `done`, `failed` and `cancelled` is emitted, then `ended`,
    all of them in the window's thread.
    """

    progressed = Signal(float, str)
    done = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    ended = Signal()

    def __init__(self, job: Job, title: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.worker: JobWorker | None = job_worker(job, title)
        self.cancelling = False
        self._reported = False
        self._dock = _DockProgress(title, self.cancel)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE_MS)
        self._patience.timeout.connect(self._end)
        # The dock's bar lets other events in while it is drawn, such as the end of this
        # run. So it is drawn by a timer, which never interrupts itself, and not within
        # a signal of the worker, where the oldest napari crashed now and then.
        self._step = (0.0, title)
        self._redraw = QTimer(self)
        self._redraw.setInterval(_REDRAW_MS)
        self._redraw.timeout.connect(self._draw)
        self._redraw.start()
        self.worker.yielded.connect(self._on_progress)
        self.worker.returned.connect(self._on_returned)
        self.worker.finished.connect(self._end)
        self.worker.start()

    def cancel(self) -> None:
        """End the job; `cancelled` follows within a second."""
        if self.worker is None or self.cancelling:
            return
        self.cancelling = True
        self.worker.cancel()
        self._patience.start()

    def release(self) -> None:
        """Cancel and report nothing any more, since the widget goes away."""
        self._reported = True
        if self.worker is not None:
            self.worker.cancel()
        self._end()

    def abandon(self) -> None:
        """Cancel without touching Qt: the object may be deleted already."""
        self._reported = True
        if self.worker is not None:
            self.worker.cancel()
        self._dock.close()

    def _on_progress(self, step: tuple[float, str]) -> None:
        if self.worker is None or self.cancelling:
            return
        self._step = step
        self.progressed.emit(*step)

    def _draw(self) -> None:
        if self.worker is not None and not self.cancelling:
            self._dock.show_step(*self._step)

    def _on_returned(self, result: Any) -> None:
        if self.worker is None or self._reported or self.cancelling:
            return
        self._reported = True
        if isinstance(result, Failure):
            self.failed.emit(result.error)
        else:
            self.done.emit(result)

    def _end(self) -> None:
        if self.worker is None:
            return
        self._patience.stop()
        self._redraw.stop()
        for signal, slot in (
            (self.worker.yielded, self._on_progress),
            (self.worker.returned, self._on_returned),
            (self.worker.finished, self._end),
        ):
            signal.disconnect(slot)
        self.worker = None
        self._dock.close()
        if not self._reported:
            self._reported = True
            self.cancelled.emit()
        self.ended.emit()


class _DockProgress(cancelable_progress):
    """The bar in napari's activity dock, with a Cancel button that works."""

    def __init__(self, title: str, on_cancel: Callable[[], None]) -> None:
        self._on_cancel: Callable[[], None] | None = on_cancel
        super().__init__(total=100, desc=title, leave=False)

    def cancel(self) -> None:
        """Cancel the job at once rather than at the next round of a loop."""
        super().cancel()
        if self._on_cancel is not None:
            self._on_cancel()

    def show_step(self, fraction: float, description: str) -> None:
        if self._on_cancel is None:  # closed
            return
        percent = round(100 * fraction)
        if description != self.desc.removesuffix(": "):
            self.set_description(description)
        if percent > self.n and self._on_cancel is not None:
            self.update(percent - self.n)

    def close(self) -> None:
        if self._on_cancel is not None:
            self._on_cancel = None
            super().close()


def job_worker(job: Job, title: str = "") -> JobWorker:
    """Return a worker that will do a job, and return its result or a `Failure`.

    With a title, napari asks before it closes a window during the job.
    """

    def steps() -> Generator[tuple[float, str], None, Any]:
        yield 0.0, "Starting"
        try:
            return job(_reporter(worker))
        except Cancelled:
            return None
        except Exception as error:
            # Returned, not raised: what users did wrong is told in a sentence,
            # and a RuntimeError would end the worker without a word.
            return Failure(error)

    worker: JobWorker
    if title:
        steps.__qualname__ = title
        worker = create_worker(steps, _worker_class=JobWorker, _start_thread=False)
    else:
        worker = JobWorker(steps)
    return worker


def _reporter(worker: JobWorker) -> Progress:
    """Return the callback for the job's thread: it passes on or cancels."""
    last_time, last_description = 0.0, ""

    def report(fraction: float, description: str) -> None:
        nonlocal last_time, last_description
        if worker.cancelling.is_set():
            raise Cancelled
        now = time.monotonic()
        if description != last_description or now - last_time > _SHORTEST_BREAK:
            last_time, last_description = now, description
            worker.yielded.emit((fraction, description))

    return report
