"""The Superpixels widget: superpixels of the image in view."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, SpinBox
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from napari_paf.widgets import _warmup
from napari_paf.widgets._checks import why_not
from napari_paf.widgets._choices import ChoiceBox, ImageBox, MaskBox, ModelBox
from napari_paf.widgets._events import Ties
from napari_paf.widgets._form import Form, RunPanel
from napari_paf.widgets._layers import mask_of, plane_in_view
from napari_paf.widgets._live import Live
from napari_paf.widgets._request import Request
from napari_paf.widgets._results import Source, put_superpixels, region_in, results_of
from napari_paf.widgets._texts import (
    CHANNELS,
    CONNECTIVITY,
    DEVICES,
    NO_IMAGE,
    TOOLTIPS,
    failure,
    outcome,
)
from napari_paf.widgets._worker import Run

if TYPE_CHECKING:
    from napari import Viewer

    from napari_paf.widgets._layers import Plane
    from napari_paf.widgets._request import Computed
    from napari_paf.widgets._warmup import Backends
    from napari_paf.widgets._worker import JobWorker

_logger = logging.getLogger(__name__)

# What a new widget starts with: as it was last set in this session.
_remembered: dict[str, Any] = {"outlines": True}


class SuperpixelsWidget(QWidget):
    """Compute superpixels of the 2-D plane in view and show them as labels.

    The parameters are attributes with a ``value``, named as the arguments of
    `napari_paf.superpixels`; layers are ``image_layer`` and ``mask_layer``.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer whose images are used and that gets the result.

    Attributes
    ----------
    image_layer, mask_layer, channels, n_segments, model, balance, connectivity, device
        What to compute.
    outlines, keep_previous
        How to show it.

    Examples
    --------
    >>> _, widget = viewer.window.add_plugin_dock_widget(
    ...     "napari-paf", "Superpixels"
    ... )  # doctest: +SKIP
    >>> widget.n_segments.value = 500  # doctest: +SKIP
    >>> widget.run()  # doctest: +SKIP
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._run: Run | None = None
        self._plane: Plane | None = None
        self._docked = False
        self._source: Source | None = None
        self._record: dict[str, Any] = {}
        self._keep = False
        self._live: Live | None = None
        self._outcome = ""
        self._ties = Ties()
        self.destroyed.connect(self._ties.cut)
        self._make_controls()
        self._lay_out()
        self._recheck = QTimer(self)
        self._recheck.setSingleShot(True)
        self._recheck.timeout.connect(self._update)
        # Fast drags are drawn once for each turn of the window's loop.
        self._redraw = QTimer(self)
        self._redraw.setSingleShot(True)
        self._redraw.timeout.connect(self._draw_number)
        self._connect()
        self._refresh_layers()
        _warmup.warm_up(self._offer_backends)

    # What scripts use ------------------------------------------------------

    @property
    def worker(self) -> JobWorker | None:
        """The worker of the run under way, or None."""
        return None if self._run is None else self._run.worker

    @property
    def reason(self) -> str:
        """Why Run is greyed out, or an empty string."""
        return self._panel.reason

    @property
    def message(self) -> str:
        """The sentence under the buttons: what is done or how it ended."""
        return str(self._panel.message.text())

    def run(self) -> None:
        """Start computing; does nothing while a run is under way."""
        if self._run is not None:
            return
        self._update()
        if self.reason or self._plane is None:
            show_error(self.reason)
            return
        layer = self.image_layer.value
        self._redraw.stop()
        request = self._make_request(self._plane)
        self._source = Source.of(layer, self._plane)
        self._record = request.record()
        self._keep = bool(self.keep_previous.value)
        run = Run(request, f"Superpixels of {layer.name}", self)
        run.progressed.connect(self._panel.show_step)
        run.done.connect(self._on_done)
        run.failed.connect(self._on_failed)
        run.cancelled.connect(self._on_cancelled)
        run.ended.connect(self._on_ended)
        self._run = self._ties.run = run
        self._outcome = ""
        self._panel.set_running(True)

    def cancel(self) -> None:
        """End the run under way; the viewer stays as it is."""
        if self._run is not None:
            self._panel.show_cancelling()
            self._run.cancel()

    # Building ---------------------------------------------------------------

    def _make_controls(self) -> None:
        self.image_layer = ImageBox(self._viewer)
        self.channels = ComboBox(choices=CHANNELS, value="rgb")
        self.n_segments = SpinBox(value=300, min=1, max=2**31 - 1, step=50)
        self.model = ModelBox()
        self.mask_layer = MaskBox(self._viewer)
        self.balance = FloatSpinBox(value=0.5, min=0, max=1000, step=0.05)
        self.connectivity = ComboBox(choices=CONNECTIVITY, value=2)
        self.device = ChoiceBox()
        self.outlines = CheckBox(value=_remembered["outlines"], text="Outlines")
        self.keep_previous = CheckBox(value=False, text="Keep previous result")
        self._panel = RunPanel()
        self.run_button = self._panel.run_button
        self.cancel_button = self._panel.cancel_button
        self._offer_backends(_warmup.known)

    def _lay_out(self) -> None:
        form = Form()
        form.add("Image", self.image_layer, TOOLTIPS["image_layer"])
        self._plane_note = form.add_note()
        channels = form.add("Colours", self.channels, TOOLTIPS["channels"])
        self._channel_row = (channels, self.channels.native)
        form.add("Superpixels", self.n_segments, TOOLTIPS["n_segments"])
        self._size_note = form.add_note()
        form.add("Model", self.model, TOOLTIPS["model"])
        form.fold("More settings")
        form.add("Mask", self.mask_layer, TOOLTIPS["mask_layer"])
        form.add("Balance", self.balance, TOOLTIPS["balance"])
        form.add("Neighbours", self.connectivity, TOOLTIPS["connectivity"])
        form.add("Device", self.device, TOOLTIPS["device"])
        options = QHBoxLayout()
        for name in ("outlines", "keep_previous"):
            box = getattr(self, name)
            box.tooltip = TOOLTIPS[name]
            options.addWidget(box.native)
        options.addStretch()
        layout = QVBoxLayout(self)
        layout.addWidget(form)
        layout.addLayout(options)
        layout.addWidget(self._panel)
        layout.addStretch()

    def _connect(self) -> None:
        layers, dims = self._viewer.layers, self._viewer.dims
        for name in ("inserted", "removed", "reordered"):
            emitter = getattr(layers.events, name)
            self._ties.viewer.connect(emitter, self._refresh_layers)
        active = layers.selection.events.active
        self._ties.viewer.connect(active, self._refresh_layers)
        for name in ("current_step", "order", "ndisplay"):
            self._ties.viewer.connect(getattr(dims.events, name), self._update)
        self.image_layer.changed.connect(self._watch_layers)
        self.mask_layer.changed.connect(self._watch_layers)
        for name in ("n_segments", "balance", "connectivity"):
            getattr(self, name).changed.connect(self._update)
        self.n_segments.changed.connect(lambda _: self._redraw.start(0))
        self.outlines.changed.connect(self._show_outlines)
        self.run_button.clicked.connect(lambda: self.run())
        self.cancel_button.clicked.connect(lambda: self.cancel())

    # Keeping up with the viewer ----------------------------------------------

    def _refresh_layers(self, event: Any = None) -> None:
        self._ties.names.disconnect()
        for layer in self._viewer.layers:
            self._ties.names.connect(layer.events.name, self._refresh_layers)
        self.image_layer.refresh()
        self.mask_layer.refresh()
        if self._live is not None and not self._live.is_of(self._viewer.layers):
            self._live = None  # gives its memory back
        self._update()

    def _watch_layers(self, value: Any = None) -> None:
        """Follow what happens to the chosen layers' data."""
        self._live = None
        self._ties.layers.disconnect()
        image, mask = self.image_layer.value, self.mask_layer.value
        if image is not None:
            self._ties.layers.connect(image.events.data, self._update_soon)
        if mask is not None:
            self._ties.layers.connect(mask.events.data, self._update_soon)
            self._ties.layers.connect(mask.events.labels_update, self._update_soon)
        self._update()

    def _update_soon(self, event: Any = None) -> None:
        self._live = None  # made from other pixels
        self._recheck.start(0)

    def _update(self, event: Any = None) -> None:
        """Look at the plane in view and whether superpixels of it can be had."""
        layer = self.image_layer.value
        if layer is None:
            self._plane = None
            self._plane_note.setText("")
            self._size_note.setText("")
            self._show_channels(False)
            self._panel.set_reason(NO_IMAGE)
            return
        self._plane = plane = plane_in_view(layer, self._viewer.dims)
        self._plane_note.setText(plane.describe())
        self._show_channels(plane.rgb)
        n_segments = self.n_segments.value
        area = plane.n_pixels / n_segments
        self._size_note.setText(f"about {area:,.0f} pixels each" if area >= 1 else "")
        reason = why_not(
            plane,
            mask_of(self.mask_layer.value, plane),
            n_segments=n_segments,
            balance=self.balance.value,
            connectivity=self.connectivity.value,
        )
        self._panel.set_reason(reason)

    def _show_channels(self, shown: bool) -> None:
        for part in self._channel_row:
            part.setVisible(shown)

    def _offer_backends(self, backends: Backends) -> None:
        self.model.set_names(backends.models)
        self.device.set_choices(
            ((DEVICES.get(name, name), name) for name in backends.devices), "auto"
        )

    def _show_outlines(self, outlines: bool) -> None:
        _remembered["outlines"] = outlines
        if self.image_layer.value is not None:
            for layer in results_of(self._viewer, self.image_layer.value):
                layer.contour = 1 if outlines else 0

    # A run ---------------------------------------------------------------------

    def _make_request(self, plane: Plane) -> Request:
        return Request(
            plane=plane,
            mask=mask_of(self.mask_layer.value, plane),
            channels=self.channels.value,
            n_segments=self.n_segments.value,
            model=self.model.value,
            balance=self.balance.value,
            connectivity=self.connectivity.value,
            device=self.device.value,
        )

    def _on_done(self, computed: Computed) -> None:
        assert self._source is not None
        layer, remark = put_superpixels(
            self._viewer,
            self._source,
            computed.labels,
            {**self._record, "seconds": round(computed.seconds, 3)},
            changed=computed.changed,
            keep_previous=self._keep,
            outlines=self.outlines.value,
        )
        if not remark:
            self._live = Live(
                layer,
                region_in(layer, self._source.plane),
                computed.hierarchy,
                computed.labels,
                self._record,
            )
        if remark:
            show_info(remark)
        self._outcome = remark or outcome(self._record["n_segments"], computed.seconds)

    def _draw_number(self) -> None:
        """Show the chosen number of superpixels without another run."""
        plane = self._plane
        if self._live is None or plane is None or self._run is not None:
            return
        if self._live.is_for(self._make_request(plane).record()):
            remark = self._live.redraw(self.n_segments.value)
            if remark:
                self._panel.set_running(False, remark)

    def _on_failed(self, error: Exception) -> None:
        self._outcome = failure(error)
        _logger.debug("the run failed", exc_info=error)
        show_error(self._outcome)

    def _on_cancelled(self) -> None:
        self._outcome = "Cancelled."

    def _on_ended(self) -> None:
        if self._run is not None:
            self._run.deleteLater()
        self._run = self._ties.run = None
        self._source = None  # lets go of the image
        self._panel.set_running(False, self._outcome)

    # Going away -----------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Notice when napari takes the widget out of its dock for good."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._docked = True
            elif self._docked:
                QTimer.singleShot(0, self._leave)
        return bool(super().event(event))

    def _leave(self) -> None:
        if self.parent() is None:
            self._ties.cut()
            if self._run is not None:
                self._run.release()
            self.deleteLater()
