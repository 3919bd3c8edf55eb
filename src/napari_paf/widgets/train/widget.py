"""The Train affinity model widget: a network learns from labelled layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer

from napari_paf.affinity.model_store import free_name
from napari_paf.widgets.common import warmup
from napari_paf.widgets.common.running import copy_text
from napari_paf.widgets.train.as_python import as_python
from napari_paf.widgets.train.checks import why_not
from napari_paf.widgets.train.controls import TrainControls
from napari_paf.widgets.train.pairs import layers_of
from napari_paf.widgets.train.preview import Preview
from napari_paf.widgets.train.read import Source
from napari_paf.widgets.train.request import TrainRequest
from napari_paf.widgets.train.texts import (
    NOTHING_LEARNT,
    UNSAVED,
    failure,
    percent,
    span,
)

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Labels

    from napari_paf.widgets.common.warmup import Backends
    from napari_paf.widgets.train.request import Trained


class TrainWidget(TrainControls):
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

    _connected = False

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self._request: TrainRequest | None = None
        self._preview: Preview | None = None
        self._keep_preview = False
        self._suggested = ""
        self._recheck = QTimer(self)
        self._recheck.setSingleShot(True)
        self._recheck.timeout.connect(self._update)
        self._connect()
        self._refresh_layers()
        self._connected = True
        warmup.warm_up(self._offer_backends)

    # What scripts use ------------------------------------------------------

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
        self._preview = None
        if self.preview.value:
            image, _ = self.pairs.value[0]
            self._preview = Preview(self._viewer, image, self.n_segments.value)
        self._request = request = self._make_request()
        request.news.event.connect(self._on_event)
        request.news.preview.connect(self._on_preview)
        request.news.remark.connect(self._on_remark)
        self._begin(request, f"Training {request.name}")
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
        super().cancel()
        if self._request is not None:
            self._request.steering.goes_on.set()  # wakes a training that is paused

    def copy_as_python(self) -> str:
        """Copy the lines that train with these settings, and return them."""
        if self.reason:
            show_error(self.reason)
            return ""
        code = as_python(
            self._make_request(),
            [(_array(image), _array(labels)) for image, labels in self.pairs.value],
        )
        copy_text(code)
        return code

    # Keeping up with the viewer ----------------------------------------------

    def _connect(self) -> None:
        events = self._viewer.layers.events
        for name in ("inserted", "removed", "reordered"):
            self._ties.viewer.connect(getattr(events, name), self._refresh_layers)
        self.pairs.changed.connect(self._watch_layers)
        self.name.changed.connect(lambda _: self._update())
        self.copy_button.clicked.connect(lambda: self.copy_as_python())
        self.run_button.clicked.connect(lambda: self.run())
        self.pause_button.clicked.connect(lambda: self.pause(not self.paused))
        self.stop_button.clicked.connect(lambda: self.stop())
        self.cancel_button.clicked.connect(lambda: self.cancel())

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

    def _offer_backends(self, backends: Backends) -> None:
        super()._offer_backends(backends)
        if self._connected:  # a name may be free now, or taken
            self._suggest_name()
            self._update()

    def _suggest_name(self) -> None:
        """Name the model after the first image, unless somebody has named it."""
        if self.name.value not in ("", self._suggested):
            return
        image = self.pairs.rows[0][0]
        self._suggested = free_name("model" if image is None else f"{image.name} model")
        self.name.value = self._suggested
        self.name.native.setCursorPosition(0)  # long names are cut at their end

    # A training ------------------------------------------------------------------

    def _make_request(self) -> TrainRequest:
        return TrainRequest(
            tuple(Source.of(*pair) for pair in self.pairs.value),
            self.name.value,
            self.unlabelled.value,
            self.init.value,
            self.duration.value,
            self.unit.value,
            self.loss.value,
            self.seed.value,
            self.device.value,
            None if self._preview is None else self._preview.job,
        )

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
        warmup.models_changed()
        self.own_models.refresh()
        if trained.unsaved is not None:
            self.init.value = trained.unsaved
        if trained.path is not None and self.name.value == trained.name:
            # Ready for the next one; a name that was suggested is suggested anew.
            if self.name.value != self._suggested:
                self.name.value = free_name(self.name.value)
        if trained.remark:
            show_info(self._outcome)

    def _failure(self, error: Exception) -> str:
        return failure(error)

    def _on_ended(self) -> None:
        super()._on_ended()
        self._request = None
        preview, self._preview = self._preview, None
        if preview is not None:
            preview.finish(keep=self._keep_preview)
        self._keep_preview = False
        self._suggest_name()
        self._update()
        self._panel.set_running(False, self._outcome)


def _array(layer: Image | Labels) -> str:
    level = "[0]" if layer.multiscale else ""
    return f"viewer.layers[{layer.name!r}].data{level}"


def _outcome(trained: Trained) -> str:
    """Return what came of a training in plain words."""
    if trained.step == 0:
        return NOTHING_LEARNT
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
        where = UNSAVED if trained.path is None else f"It is in {trained.path}."
        said += f" {trained.remark} {where}"
    return said
