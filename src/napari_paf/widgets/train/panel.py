"""Train, Pause, Stop and Cancel, and how the training goes."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

from napari_paf.widgets.common.form import RunPanel
from napari_paf.widgets.common.plot import Curve, Plot
from napari_paf.widgets.train.texts import percent, span

if TYPE_CHECKING:
    from napari_paf.training.trainer import TrainingEvent

_LEAST_SHARE = 0.05  # of a training until the time that is left can be told


class TrainPanel(RunPanel):
    """Buttons that fit the moment, and the curves of the training."""

    _ready = False

    def __init__(self) -> None:
        super().__init__("Train", "Train a model with these settings.")
        self.pause_button = QPushButton("Pause")
        self.stop_button = QPushButton("Stop")
        self.stop_button.setToolTip("End now, and keep the best model so far.")
        self.cancel_button.setToolTip("End now, and keep nothing.")
        self.buttons.insertWidget(1, self.stop_button, 1)
        self.buttons.insertWidget(1, self.pause_button, 1)
        self.plot = Plot("step", "While training, its loss and quality appear here.")
        self.plot.setToolTip(
            "Loss: how wrong the predicted affinities are.\n"
            "Accuracy: how much of the image superpixels could get right at best, on "
            "parts of the images that are not learnt from."
        )
        self.plot.setAccessibleName("Loss and accuracy")
        layout = self.layout()
        assert layout is not None
        layout.addWidget(self.plot)
        self._steps: list[int] = []
        self._losses: list[float] = []
        self._scores: list[float] = []
        self._best: float | None = None
        self._paused = self._ending = False
        self._began = 0.0
        self._remark = ""
        self._ready = True
        self._update()

    def begin(self) -> None:
        """Show that a training begins."""
        self._steps, self._losses, self._scores = [], [], []
        self._best, self._remark = None, ""
        self._paused = self._ending = False
        self._began = time.monotonic()
        self.plot.set_curves([])
        self.set_running(True)

    def show_event(self, event: TrainingEvent) -> None:
        """Add a point to the curves."""
        if event.finished:
            return
        self._steps.append(event.step)
        self._losses.append(event.loss)
        score = math.nan if event.validation is None else event.validation
        self._scores.append(100 * score)
        self._best = event.best
        self.plot.set_curves(
            [
                Curve("loss", self._steps, self._losses),
                Curve("accuracy, %", self._steps, self._scores, right=True),
            ]
        )

    def show_step(self, fraction: float, description: str) -> None:
        """Show how far the training is and what is left."""
        if self._ending:
            return
        parts = [description]
        if self._best is not None:
            parts.append(f"accuracy {percent(self._best)}")
        if fraction > _LEAST_SHARE and not self._paused:
            left = (time.monotonic() - self._began) * (1 / fraction - 1)
            parts.append(f"{span(left)} left")
        super().show_step(fraction, "; ".join(parts))
        if self._remark:
            self.message.setText(f"{self.message.text()}\n{self._remark}")

    def show_remark(self, remark: str) -> None:
        """Say something until the end of the run."""
        self._remark = remark

    def show_paused(self, paused: bool) -> None:
        """Switch between training and waiting."""
        if paused:
            self._since = time.monotonic()
            self.message.setText("Pausing after this step \u2026")
        elif self._paused:
            self._began += time.monotonic() - self._since
        self._paused = paused
        self._update()

    def show_stopping(self) -> None:
        """Show that the training is about to end well."""
        self._ending = True
        self.message.setText("Stopping \u2026")
        self._update()

    def show_cancelling(self) -> None:
        """Show that the training is about to end without a result."""
        self._ending = True
        super().show_cancelling()
        self._update()
        self.cancel_button.setEnabled(False)

    def _update(self) -> None:
        super()._update()
        if not self._ready:
            return
        # Only what makes sense now: no grey buttons to wonder about.
        self.run_button.setVisible(not self._running)
        for button in (self.pause_button, self.stop_button, self.cancel_button):
            button.setVisible(self._running)
        self.pause_button.setText("Resume" if self._paused else "Pause")
        self.pause_button.setToolTip(
            "Go on." if self._paused else "Wait after this step; Resume goes on."
        )
        for button in (self.pause_button, self.stop_button):
            button.setEnabled(not self._ending)
