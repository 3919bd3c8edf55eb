"""The base of the widgets with a Run button: one run at a time, from start to end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QApplication

from napari_paf.widgets.common.docked import DockedWidget
from napari_paf.widgets.common.worker import Job, Run

if TYPE_CHECKING:
    from napari_paf.widgets.common.form import RunPanel
    from napari_paf.widgets.common.worker import JobWorker

_logger = logging.getLogger(__name__)


class RunningWidget(DockedWidget):
    """A widget that works in runs.

    Subclasses make ``_panel``, hand a job to `_begin`, and say in `_on_done` what
    comes of its result, and in `_failure` what an error means.
    """

    _panel: RunPanel

    def __init__(self) -> None:
        super().__init__()
        self._run: Run | None = None
        self._outcome = ""  # said when the run has ended

    @property
    def worker(self) -> JobWorker | None:
        """The worker of the run under way, or None."""
        return None if self._run is None else self._run.worker

    @property
    def reason(self) -> str:
        """Why the button to run is greyed out, or an empty string."""
        return self._panel.reason

    @property
    def message(self) -> str:
        """The sentence under the buttons: what is done or how it ended."""
        return str(self._panel.message.text())

    def cancel(self) -> None:
        """End the run under way and keep nothing; the viewer stays as it is."""
        if self._run is not None:
            self._panel.show_cancelling()
            self._run.cancel()

    def _begin(self, job: Job, title: str) -> None:
        run = Run(job, title, self)
        run.progressed.connect(self._panel.show_step)
        run.done.connect(self._on_done)
        run.failed.connect(self._on_failed)
        run.cancelled.connect(self._on_cancelled)
        run.ended.connect(self._on_ended)
        self._run = self._ties.run = run
        self._outcome = ""

    def _on_done(self, result: Any) -> None:
        raise NotImplementedError

    def _failure(self, error: Exception) -> str:
        raise NotImplementedError

    def _on_failed(self, error: Exception) -> None:
        self._outcome = self._failure(error)
        _logger.debug("the run failed", exc_info=error)
        show_error(self._outcome)

    def _on_cancelled(self) -> None:
        self._outcome = "Cancelled."

    def _on_ended(self) -> None:
        if self._run is not None:
            self._run.deleteLater()
        self._run = self._ties.run = None


def copy_text(text: str) -> None:
    """Put text on the clipboard."""
    clipboard = QApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)
