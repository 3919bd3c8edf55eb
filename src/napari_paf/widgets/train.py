"""The Train affinity model widget: a network learns from labelled layers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, LineEdit, SpinBox
from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout

from napari_paf.affinity.model_store import free_name
from napari_paf.widgets import _warmup
from napari_paf.widgets._choices import ChoiceBox, InitBox
from napari_paf.widgets._docked import DockedWidget
from napari_paf.widgets._form import Form
from napari_paf.widgets._texts import DEVICES
from napari_paf.widgets._train_checks import why_not
from napari_paf.widgets._train_models import OwnModels
from napari_paf.widgets._train_pairs import PairsTable, layers_of
from napari_paf.widgets._train_panel import TrainPanel
from napari_paf.widgets._train_preview import Preview
from napari_paf.widgets._train_read import Source
from napari_paf.widgets._train_request import TrainRequest
from napari_paf.widgets._train_texts import (
    DURATIONS,
    LOSSES,
    TOOLTIPS,
    UNITS,
    ZERO,
    failure,
    percent,
    span,
)
from napari_paf.widgets._worker import Run

if TYPE_CHECKING:
    from napari import Viewer

    from napari_paf.widgets._train_request import Trained
    from napari_paf.widgets._warmup import Backends
    from napari_paf.widgets._worker import JobWorker

_logger = logging.getLogger(__name__)


class TrainWidget(DockedWidget):
    """Train an affinity model on image layers and their labels layers.

    The parameters are attributes with a ``value``, named as the arguments of
    `napari_paf.train_affinity` where they are the same.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer whose layers are learnt from.

    Attributes
    ----------
    pairs
        List of (image layer, labels layer).
    unlabelled, init, loss, seed, device
        As in `napari_paf.train_affinity`.
    duration, unit
        For how long; the unit is "minutes", "epochs" or "steps".
    name
        Name to save the model under.
    preview, n_segments, keep_preview
        The layer that shows what the best model gives.
    own_models
        The user's models: ``rename``, ``export``, ``import_``, ``delete``.

    Examples
    --------
    >>> _, widget = viewer.window.add_plugin_dock_widget(
    ...     "napari-paf", "Train affinity model"
    ... )  # doctest: +SKIP
    >>> widget.duration.value = 1  # doctest: +SKIP
    >>> widget.run()  # doctest: +SKIP
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._run: Run | None = None
        self._request: TrainRequest | None = None
        self._preview: Preview | None = None
        self._keep_preview = False
        self._outcome = ""
        self._suggested = ""
        self._durations = dict(DURATIONS)
        self._make_controls()
        self._lay_out()
        self._recheck = QTimer(self)
        self._recheck.setSingleShot(True)
        self._recheck.timeout.connect(self._update)
        self._connect()
        self._refresh_layers()
        _warmup.warm_up(self._offer_backends)

    # What scripts use ------------------------------------------------------

    @property
    def worker(self) -> JobWorker | None:
        """The worker of the training under way, or None."""
        return None if self._run is None else self._run.worker

    @property
    def reason(self) -> str:
        """Why Train is greyed out, or an empty string."""
        return self._panel.reason

    @property
    def message(self) -> str:
        """The sentence under the buttons: what is done or how it ended."""
        return str(self._panel.message.text())

    @property
    def paused(self) -> bool:
        """Whether a training is under way and waits."""
        request = self._request
        return request is not None and not request.steering.goes_on.is_set()

    def run(self) -> None:
        """Start training; does nothing while a training is under way."""
        if self._run is not None:
            return
        self._update()
        if self.reason:
            show_error(self.reason)
            return
        pairs = self.pairs.value
        preview = None
        if self.preview.value:
            preview = Preview(self._viewer, pairs[0][0], self.n_segments.value)
        self._preview = preview
        self._request = request = TrainRequest(
            tuple(Source.of(*pair) for pair in pairs),
            self.name.value,
            self.unlabelled.value,
            self.init.value,
            self.duration.value,
            self.unit.value,
            self.loss.value,
            self.seed.value,
            self.device.value,
            None if preview is None else preview.job,
        )
        request.news.event.connect(self._on_event)
        request.news.preview.connect(self._on_preview)
        request.news.remark.connect(self._on_remark)
        run = Run(request, f"Training {request.name}", self)
        run.progressed.connect(self._panel.show_step)
        run.done.connect(self._on_done)
        run.failed.connect(self._on_failed)
        run.cancelled.connect(self._on_cancelled)
        run.ended.connect(self._on_ended)
        self._run = self._ties.run = run
        self._outcome = ""
        self._panel.begin()

    def pause(self, paused: bool = True) -> None:
        """Let the training under way wait, or go on."""
        if self._request is None or self._request.steering.stopping.is_set():
            return
        goes_on = self._request.steering.goes_on
        if paused:
            goes_on.clear()
        else:
            goes_on.set()
        self._panel.show_paused(paused)

    def stop(self) -> None:
        """End the training under way and keep the best model."""
        if self._request is not None:
            self._panel.show_stopping()
            self._request.steering.stop()

    def cancel(self) -> None:
        """End the training under way and keep nothing."""
        if self._run is not None:
            self._panel.show_cancelling()
            self._run.cancel()

    # Building ---------------------------------------------------------------

    def _make_controls(self) -> None:
        self.pairs = PairsTable(self._viewer)
        self.unlabelled = ComboBox(choices=ZERO, value=None, nullable=False)
        self.duration = FloatSpinBox(value=DURATIONS["minutes"], min=0.01, max=1e6)
        self.unit = ComboBox(choices=UNITS, value="minutes")
        self.name = LineEdit()
        self.init = InitBox()
        self.loss = ComboBox(choices=LOSSES, value="cross-entropy")
        self.preview = CheckBox(value=True, text="Preview")
        self.n_segments = SpinBox(value=300, min=1, max=2**31 - 1, step=50)
        self.keep_preview = CheckBox(value=False, text="Keep preview")
        self.device = ChoiceBox()
        self.seed = SpinBox(value=0, min=0, max=2**31 - 1)
        self.own_models = OwnModels()
        self._panel = TrainPanel()
        self.run_button = self._panel.run_button
        self.pause_button = self._panel.pause_button
        self.stop_button = self._panel.stop_button
        self.cancel_button = self._panel.cancel_button
        self.plot = self._panel.plot
        self._offer_backends(_warmup.known)

    def _lay_out(self) -> None:
        form = Form()
        form.add("0 means", self.unlabelled, TOOLTIPS["unlabelled"])
        form.add("Duration", self.duration, TOOLTIPS["duration"])
        form.add_beside(self.unit, TOOLTIPS["unit"])
        form.add("Name", self.name, TOOLTIPS["name"])
        form.fold("More settings")
        form.add("Start from", self.init, TOOLTIPS["init"])
        form.add("Learn", self.loss, TOOLTIPS["loss"])
        form.add("Device", self.device, TOOLTIPS["device"])
        form.add("Seed", self.seed, TOOLTIPS["seed"])
        form.add("Superpixels", self.n_segments, TOOLTIPS["n_segments"])
        own = Form()
        own.fold("Your models")
        own.add_folded(self.own_models)
        options = QHBoxLayout()
        for name in ("preview", "keep_preview"):
            box = getattr(self, name)
            box.tooltip = TOOLTIPS[name]
            options.addWidget(box.native)
        options.addStretch()
        layout = QVBoxLayout(self)
        layout.addWidget(self.pairs)
        layout.addWidget(form)
        layout.addLayout(options)
        layout.addWidget(self._panel)
        layout.addWidget(own)
        layout.addStretch()

    def _connect(self) -> None:
        events = self._viewer.layers.events
        for name in ("inserted", "removed", "reordered"):
            self._ties.viewer.connect(getattr(events, name), self._refresh_layers)
        self.pairs.changed.connect(self._watch_layers)
        self.name.changed.connect(lambda _: self._update())
        self.unit.changed.connect(self._change_unit)
        self.duration.changed.connect(self._note_duration)
        self.preview.changed.connect(self._show_preview_options)
        self.run_button.clicked.connect(lambda: self.run())
        self.pause_button.clicked.connect(lambda: self.pause(not self.paused))
        self.stop_button.clicked.connect(lambda: self.stop())
        self.cancel_button.clicked.connect(lambda: self.cancel())

    # Keeping up with the viewer ----------------------------------------------

    def _refresh_layers(self, event: Any = None) -> None:
        self._ties.names.disconnect()
        for layer in self._viewer.layers:
            self._ties.names.connect(layer.events.name, self._refresh_layers)
        self.pairs.refresh()
        self._watch_layers()

    def _watch_layers(self) -> None:
        """Follow what happens to the chosen layers' data."""
        self._ties.layers.disconnect()
        for image, labels in self.pairs.value:
            self._ties.layers.connect(image.events.data, self._update_soon)
            self._ties.layers.connect(labels.events.data, self._update_soon)
            self._ties.layers.connect(labels.events.labels_update, self._update_soon)
        self._suggest_name()
        self._update()

    def _update_soon(self, event: Any = None) -> None:
        self._recheck.start(0)

    def _update(self) -> None:
        reason = why_not(
            self.pairs.rows,
            name=self.name.value,
            any_image=bool(layers_of(self._viewer, Image)),
        )
        self._panel.set_reason(reason)

    def _suggest_name(self) -> None:
        """Name the model after the first image, unless somebody has named it."""
        if self.name.value not in ("", self._suggested):
            return
        image = self.pairs.rows[0][0]
        self._suggested = free_name("model" if image is None else f"{image.name} model")
        self.name.value = self._suggested

    def _change_unit(self, unit: str) -> None:
        wanted = self._durations[unit]
        # Whole numbers but for minutes; there is no room for more digits.
        self.duration.native.setDecimals(2 if unit == "minutes" else 0)
        self.duration.value = wanted

    def _note_duration(self, duration: float) -> None:
        self._durations[self.unit.value] = duration

    def _show_preview_options(self, shown: bool) -> None:
        self.keep_preview.native.setEnabled(shown)
        self.n_segments.native.setEnabled(shown)

    def _offer_backends(self, backends: Backends) -> None:
        self.init.set_names(backends.models)
        self.device.set_choices(
            ((DEVICES.get(name, name), name) for name in backends.devices), "auto"
        )
        self.own_models.refresh()

    # A training ------------------------------------------------------------------

    def _on_event(self, event: Any) -> None:
        if self._run is not None:
            self._panel.show_event(event)

    def _on_preview(self, superpixels: Any) -> None:
        if self._run is not None and self._preview is not None:
            self._preview.show(superpixels)

    def _on_remark(self, remark: str) -> None:
        if self._run is not None:
            self._panel.show_remark(remark)
            show_info(remark)

    def _on_done(self, trained: Trained) -> None:
        self._outcome = _outcome(trained)
        self._keep_preview = self.keep_preview.value
        _warmup.models_changed()
        self.own_models.refresh()
        if trained.remark:
            show_info(self._outcome)

    def _on_failed(self, error: Exception) -> None:
        self._outcome = failure(error)
        _logger.debug("the training failed", exc_info=error)
        show_error(self._outcome)

    def _on_cancelled(self) -> None:
        self._outcome = "Cancelled."

    def _on_ended(self) -> None:
        if self._run is not None:
            self._run.deleteLater()
        self._run = self._ties.run = self._request = None
        preview, self._preview = self._preview, None
        if preview is not None:
            preview.finish(keep=self._keep_preview)
        self._keep_preview = False
        self._suggest_name()
        self._update()
        self._panel.set_running(False, self._outcome)


def _outcome(trained: Trained) -> str:
    """Return what came of a training in plain words."""
    parts = [f"\u201c{trained.name}\u201d is trained"]
    if trained.best is not None and trained.start is not None:
        gained = trained.best > trained.start
        parts.append(
            f"accuracy {percent(trained.start)} \u2192 {percent(trained.best)}"
            if gained
            else f"but no better than what it started from ({percent(trained.start)})"
        )
    said = f"{', '.join(parts)}, in {span(trained.seconds)}."
    if trained.remark:
        said += f" {trained.remark} It is in {trained.path}."
    return said
