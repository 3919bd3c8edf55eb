"""The Compare with ground truth widget: how good superpixels are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QFileDialog

from napari_paf.widgets.common.running import copy_text
from napari_paf.widgets.compare.as_python import as_python
from napari_paf.widgets.compare.follower import CompareFollower
from napari_paf.widgets.compare.leaks import Measured, put_leaks
from napari_paf.widgets.compare.request import CompareRequest
from napari_paf.widgets.compare.table import as_text, write_csv
from napari_paf.widgets.compare.texts import (
    CHANGED_MEANWHILE,
    NOT_FINITE,
    NOTHING_YET,
    failure,
    outcome,
)

if TYPE_CHECKING:
    import os

    from napari import Viewer
    from napari.layers import Labels

    from napari_paf.widgets.compare.request import Compared


class CompareWidget(CompareFollower):
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
        self._measured: list[Measured] = []
        self._asked: object = None  # the question of the run under way
        self._answered = False
        self._stale = ""  # the layer that had changed before it
        self._connect()
        self._follow()

    # What scripts use ------------------------------------------------------

    def run(self) -> None:
        """Start measuring; does nothing while a run is under way."""
        self._start(self.labels_layer.value, curve=False)

    def run_curve(self) -> None:
        """Start measuring every size of the superpixels that have a hierarchy."""
        layers = self._with_curves()
        if not layers:
            show_error(self._why_no_curve())
            return
        self._start(layers, curve=True)

    def copy(self) -> str:
        """Copy the table and the curves, in columns, and return the text."""
        if not self._rows():
            show_error(NOTHING_YET)
            return ""
        text = as_text(self._rows(), "\t")
        copy_text(text)
        return text

    def copy_as_python(self) -> str:
        """Copy the lines that measure the same again, and return them."""
        if self.reason:
            show_error(self.reason)
            return ""
        first = self.labels_layer.value[0]
        in_view = first.ndim > 2 and self.extent.value == "plane"
        step = self._viewer.dims.current_step if in_view else ()
        code = as_python(self, tuple(step))
        copy_text(code)
        return code

    def save_csv(self, path: str | os.PathLike[str] | None = None) -> None:
        """Write the table and the curves to a file; asks for one by default."""
        if not self._rows():
            show_error(NOTHING_YET)
            return
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

    def _connect(self) -> None:
        self.measure.changed.connect(lambda _: self.show_curves(self._rows()))
        self.run_button.clicked.connect(lambda: self.run())
        self.curve_button.clicked.connect(lambda: self.run_curve())
        self.cancel_button.clicked.connect(lambda: self.cancel())
        self.copy_button.clicked.connect(lambda: self.copy())
        self.python_button.clicked.connect(lambda: self.copy_as_python())
        self.csv_button.clicked.connect(lambda: self.save_csv())

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
        self._begin(request, "Comparing with ground truth")
        self._asked = self._ask()
        self._stale, self._changed = self._changed, ""
        self._outcome, self._answered = "", False
        self._panel.set_running(True)
        self._update()

    def _on_done(self, compared: Compared) -> None:
        self._outcome = outcome(len(self._measured), compared.seconds)
        if compared.not_finite:
            self._outcome += f" {NOT_FINITE.format(compared.not_finite)}"
        if self._changed:
            self._outcome = CHANGED_MEANWHILE.format(self._changed)
            show_info(self._outcome)
        if self._stale or self._asked != self._question:
            # Figures that answer other questions must not stand side by side.
            self.results, self.curves = [], []
        self._question, self._stale, self._answered = self._asked, "", True
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

    def _failure(self, error: Exception) -> str:
        return failure(error)

    def _on_ended(self) -> None:
        super()._on_ended()
        self._measured = []  # lets go of the layers
        self._changed, self._stale = self._changed or self._stale, ""
        self._update()
        self._panel.set_running(False, self._outcome)
        if self._answered:
            self._update()  # something else may have been chosen meanwhile
