"""The Compare with ground truth widget: how good superpixels are."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog

from napari_paf.widgets._axes import guess_axes
from napari_paf.widgets._compare_controls import CompareControls
from napari_paf.widgets._compare_layers import (
    guess_labels,
    guess_truth,
    labels_of,
    record_of,
)
from napari_paf.widgets._compare_leaks import Measured, put_leaks
from napari_paf.widgets._compare_read import beside, shape_of
from napari_paf.widgets._compare_request import CompareRequest, Side
from napari_paf.widgets._compare_table import as_text, copy_text, write_csv
from napari_paf.widgets._compare_texts import (
    CHANGED,
    CHANGED_MEANWHILE,
    NO_CHOICE,
    NO_HIERARCHY,
    NO_LABELS,
    NO_TRUTH,
    NOTHING_YET,
    both,
    failure,
    other_size,
    outcome,
)
from napari_paf.widgets._hierarchies import hierarchy_of
from napari_paf.widgets._plane import plane_in_view
from napari_paf.widgets._train_pairs import layers_of
from napari_paf.widgets._worker import Run

if TYPE_CHECKING:
    import os

    from napari import Viewer
    from napari.layers import Labels

    from napari_paf.widgets._compare_request import Compared, Row
    from napari_paf.widgets._plane import Plane
    from napari_paf.widgets._worker import JobWorker

_logger = logging.getLogger(__name__)


class CompareWidget(CompareControls):
    """Measure labels layers against ground truth.

    The parameters are attributes with a ``value``, named as the arguments of
    `napari_paf.evaluate` where they are the same.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer whose layers are measured.

    Attributes
    ----------
    labels_layer, truth_layer
        Lists of labels layers; one layer can be set, too.
    image_layer
        For the explained variation; None leaves it out.
    extent
        Of a stack: ``"plane"``, ``"volume"`` or ``"planes"``.
    unlabelled, tolerance
        As in `napari_paf.evaluate`.
    leaks
        Whether to show leaking superpixels as a layer.
    results
        A dict for each labels layer, from the last run.
    curves
        A list of dicts for each labels layer with a hierarchy.

    Examples
    --------
    >>> _, widget = viewer.window.add_plugin_dock_widget(
    ...     "napari-paf", "Compare with ground truth"
    ... )  # doctest: +SKIP
    >>> widget.labels_layer.value = [viewer.layers["superpixels"]]  # doctest: +SKIP
    >>> widget.truth_layer.value = [viewer.layers["truth"]]  # doctest: +SKIP
    >>> widget.run()  # doctest: +SKIP
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__(napari_viewer)
        self.results: list[Row] = []
        self.curves: list[list[Row]] = []
        self._run: Run | None = None
        self._measured: list[Measured] = []
        self._changed = ""
        self._outcome = ""
        self._question: object = None  # what results and curves answer
        self._image_picked = self._guessing = False
        self._recheck = QTimer(self)
        self._recheck.setSingleShot(True)
        self._recheck.timeout.connect(self._update)
        self._connect()
        self._refresh_layers()

    # What scripts use ------------------------------------------------------

    @property
    def worker(self) -> JobWorker | None:
        """The worker of the run under way, or None."""
        return None if self._run is None else self._run.worker

    @property
    def reason(self) -> str:
        """Why Compare is greyed out, or an empty string."""
        return self._panel.reason

    @property
    def message(self) -> str:
        """The sentence under the buttons: what is done or how it ended."""
        return str(self._panel.message.text())

    def run(self) -> None:
        """Start measuring; does nothing while a run is under way."""
        self._start(self.labels_layer.value, curve=False)

    def run_curve(self) -> None:
        """Start measuring every size of the superpixels that have a hierarchy."""
        layers = [x for x in self.labels_layer.value if hierarchy_of(x) is not None]
        if not layers:
            show_error(self._why_no_curve())
            return
        self._start(layers, curve=True)

    def cancel(self) -> None:
        """End the run under way; the viewer stays as it is."""
        if self._run is not None:
            self._panel.show_cancelling()
            self._run.cancel()

    def copy(self) -> str:
        """Copy the table and the curves, in columns, and return the text."""
        text = as_text(self._rows(), "\t")
        copy_text(text)
        return text

    def save_csv(self, path: str | os.PathLike[str] | None = None) -> None:
        """Write the table and the curves to a file; asks for one by default."""
        if path is None:
            path, _ = QFileDialog.getSaveFileName(
                self, "Save measures", "measures.csv", "CSV files (*.csv)"
            )
            if not path:
                return
        try:
            write_csv(self._rows(), Path(path))
        except OSError as error:
            show_error(str(error))

    # Building ---------------------------------------------------------------

    def _connect(self) -> None:
        events = self._viewer.layers.events
        for name in ("inserted", "removed", "reordered"):
            self._ties.viewer.connect(getattr(events, name), self._refresh_layers)
        for name in ("current_step", "order"):
            emitter = getattr(self._viewer.dims.events, name)
            self._ties.viewer.connect(emitter, self._update_soon)
        self.labels_layer.changed.connect(self._guess_others)
        self.truth_layer.changed.connect(self._on_truth)
        self.image_layer.changed.connect(self._on_image)
        self.extent.changed.connect(self._update_soon)
        self.measure.changed.connect(lambda _: self.show_curves(self._rows()))
        self.run_button.clicked.connect(lambda: self.run())
        self.curve_button.clicked.connect(lambda: self.run_curve())
        self.cancel_button.clicked.connect(lambda: self.cancel())
        self.copy_button.clicked.connect(lambda: self.copy())
        self.csv_button.clicked.connect(lambda: self.save_csv())

    # Keeping up with the viewer ----------------------------------------------

    def _refresh_layers(self, event: Any = None) -> None:
        self._ties.names.disconnect()
        for layer in self._viewer.layers:
            self._ties.names.connect(layer.events.name, self._refresh_layers)
        self._guess_labels()
        self._guess_others()

    def _guess_labels(self) -> None:
        """Tick what looks like superpixels, unless it was ticked as the truth."""
        layers, truths = labels_of(self._viewer), []
        if self.truth_layer.picked:
            truths = self.truth_layer.value
        free = [x for x in layers if not any(x is truth for truth in truths)]
        self.labels_layer.offer(layers, guess_labels(free))

    def _guess_others(self) -> None:
        """Tick the ground truth and the image that go with the labels."""
        layers, chosen = labels_of(self._viewer), self.labels_layer.value
        self.truth_layer.offer(layers, guess_truth(layers, chosen))
        self._guessing = True
        try:
            self.image_layer.refresh()
            if self.image_layer.value is None:
                self._image_picked = False
            if chosen and not self._image_picked:
                self.image_layer.value = self._guess_image(chosen[0])
        finally:
            self._guessing = False
        self._offer_extents(chosen)
        self._watch_layers()

    def _guess_image(self, labels: Labels) -> Image | None:
        images = layers_of(self._viewer, Image)
        own = record_of(labels).get("image_layer_id")
        made_from = [x for x in images if str(x.unique_id) == own]
        fitting = [x for x in images if beside(labels, x) is not None]
        return next(iter(x for x in (*made_from, *fitting) if x in fitting), None)

    def _on_truth(self) -> None:
        if self.truth_layer.picked:
            self._guess_labels()
        self._watch_layers()

    def _on_image(self, image: Image | None) -> None:
        if not self._guessing:
            self._image_picked = image is not None
            self._update()

    def _watch_layers(self) -> None:
        """Follow what happens to the chosen layers' data."""
        self._ties.layers.disconnect()
        for layer in (*self.labels_layer.value, *self.truth_layer.value):
            for name in ("data", "labels_update"):
                emitter = getattr(layer.events, name)
                self._ties.layers.connect(emitter, self._on_data)
        self._update()

    def _on_data(self, event: Any = None) -> None:
        self._changed = str(getattr(event.source, "name", ""))
        self._recheck.start(0)

    def _update_soon(self, event: Any = None) -> None:
        self._recheck.start(0)

    def _update(self) -> None:
        """Look at whether what is ticked can be measured."""
        _, reason = self._sides(self.labels_layer.value, curve=False)
        self._panel.set_reason(reason)
        running = self._run is not None
        if self._changed and self.results and not running:
            self._panel.set_running(False, CHANGED.format(self._changed))
        self.show_why_no_curve(self._why_no_curve(), running)
        self.show_why_no_copy("" if self._rows() else NOTHING_YET)

    def _why_no_curve(self) -> str:
        with_one = [x for x in self.labels_layer.value if hierarchy_of(x) is not None]
        return self.reason or ("" if with_one else NO_HIERARCHY)

    def _plane_of(self, layer: Labels) -> Plane:
        axes = guess_axes(layer.ndim, layer.axis_labels).replace("c", "t")
        return plane_in_view(
            layer, self._viewer.dims, axes=axes, extent=self.extent.value or "plane"
        )

    def _sides(self, layers: list[Labels], *, curve: bool) -> tuple[list[Side], str]:
        """Return what is to be measured, or why it cannot be."""
        truths, image = self.truth_layer.value, self.image_layer.value
        if not labels_of(self._viewer):
            return [], NO_LABELS
        if not layers:
            return [], NO_CHOICE
        if not truths:
            return [], NO_TRUTH
        sides = []
        for layer in layers:
            found = []
            for truth in truths:
                if truth is layer:
                    return [], both(layer.name)
                at = beside(layer, truth)
                if at is None:
                    shape = shape_of(truth)
                    return [], other_size("ground truth", truth.name, shape, layer.name)
                found.append(at)
            seen = None if image is None else beside(layer, image)
            if image is not None and seen is None:
                shape = shape_of(image)
                return [], other_size("image", image.name, shape, layer.name)
            sizes = hierarchy_of(layer) if curve else None
            plane = self._plane_of(layer)
            sides.append(Side(layer.name, plane, tuple(found), seen, sizes))
        return sides, ""

    def _ask(self) -> object:
        """Return what is asked, to see whether it is the same as before."""
        layers = (*self.labels_layer.value, None, *self.truth_layer.value)
        planes = (self._plane_of(layer).index for layer in self.labels_layer.value)
        return (
            [id(layer) for layer in (*layers, self.image_layer.value)],
            [str(index) for index in planes],
            self.unlabelled.value,
            self.tolerance.value,
        )

    # A run ---------------------------------------------------------------------

    def _start(self, layers: list[Labels], *, curve: bool) -> None:
        if self._run is not None:
            return
        self._update()
        sides, reason = self._sides(layers, curve=curve)
        if reason:
            show_error(reason)
            return
        self._measured = [
            Measured.of(layer, side.plane)
            for layer, side in zip(layers, sides, strict=True)
        ]
        request = CompareRequest(
            tuple(sides),
            self.unlabelled.value,
            self.tolerance.value,
            leaks=bool(self.leaks.value),
            curve=curve,
        )
        run = Run(request, "Comparing with ground truth", self)
        run.progressed.connect(self._panel.show_step)
        run.done.connect(self._on_done)
        run.failed.connect(self._on_failed)
        run.cancelled.connect(self._on_cancelled)
        run.ended.connect(self._on_ended)
        self._run = self._ties.run = run
        question = self._ask()
        if self._changed or question != self._question:
            # Figures that answer other questions must not stand side by side.
            self.results, self.curves = [], []
        self._question = question
        self._changed = self._outcome = ""
        self._panel.set_running(True)
        self._update()

    def _on_done(self, compared: Compared) -> None:
        self._outcome = outcome(len(self._measured), compared.seconds)
        if self._changed:
            self._outcome = CHANGED_MEANWHILE.format(self._changed)
            show_info(self._outcome)
        self._changed = ""
        if compared.curves:
            self.curves = compared.curves
        else:
            self.results = compared.rows
            shown = True
            for of, leaks in zip(self._measured, compared.leaks, strict=True):
                if leaks is not None:
                    put_leaks(self._viewer, of, leaks, visible=shown)
                    shown = False
        self.show_results(self.results)
        self.show_curves(self._rows())

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
        self._measured = []  # lets go of the layers
        self._update()
        self._panel.set_running(False, self._outcome)

    def _rows(self) -> list[Row]:
        return [*self.results, *(row for curve in self.curves for row in curve)]
