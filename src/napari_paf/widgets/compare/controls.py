"""The controls of the Compare widget: what they are and where they stand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, SpinBox
from napari.layers import Image
from qtpy.QtWidgets import QHBoxLayout, QPushButton

from napari_paf.widgets.common.axes import guess_axes
from napari_paf.widgets.common.choices import ChoiceBox
from napari_paf.widgets.common.form import Form, RunPanel, help_button
from napari_paf.widgets.common.plot import Curve, Plot
from napari_paf.widgets.common.running import RunningWidget
from napari_paf.widgets.compare.layers import LayerList, own_planes
from napari_paf.widgets.compare.table import MeasuresTable
from napari_paf.widgets.compare.texts import EMPTY_PLOT, HELP, MEASURES, TOOLTIPS
from napari_paf.widgets.superpixels.texts import EXTENTS
from napari_paf.widgets.train.pairs import LayerBox
from napari_paf.widgets.train.texts import ZERO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Labels

    from napari_paf.widgets.compare.request import Row

_LONGEST_NAME = 22


class ComparePanel(RunPanel):
    """Compare, or Cancel during a run."""

    def __init__(self) -> None:
        super().__init__("Compare", "Measure the ticked labels.")

    def _update(self) -> None:
        super()._update()
        self.run_button.setVisible(not self._running)
        self.cancel_button.setVisible(self._running)


class CompareControls(RunningWidget):
    """Shows the parameters; each is an attribute with a ``value``."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._make_controls()
        self._lay_out()

    def _make_controls(self) -> None:
        self.labels_layer = LayerList()
        self.truth_layer = LayerList()
        self.image_layer = LayerBox(self._viewer, Image)
        self.unlabelled = ComboBox(choices=ZERO, value=None, nullable=False)
        self.extent = ChoiceBox()
        self.tolerance = SpinBox(value=1, min=0, max=1000)
        self.leaks = CheckBox(value=True, text="Show where superpixels leak")
        self.measure = ComboBox(
            choices=[(name, key) for key, _, name, _ in MEASURES if key != "n_segments"]
        )
        self._panel = ComparePanel()
        self.run_button = self._panel.run_button
        self.cancel_button = self._panel.cancel_button
        self.table = MeasuresTable()
        self.copy_button = QPushButton("Copy")
        self.csv_button = QPushButton("Save CSV \u2026")
        self.python_button = QPushButton("Copy as Python")
        self.python_button.setToolTip(TOOLTIPS["python"])
        self.curve_button = QPushButton("Curve over n")
        self.plot = Plot("superpixels", EMPTY_PLOT)
        self.plot.setToolTip("Point at the curve to read its values.")
        self.plot.setAccessibleName("Curves of a measure")

    def _lay_out(self) -> None:
        form = Form()
        form.add("Labels", self.labels_layer, TOOLTIPS["labels_layer"])
        form.add("Ground truth", self.truth_layer, TOOLTIPS["truth_layer"])
        form.add("0 means", self.unlabelled, TOOLTIPS["unlabelled"])
        caption = form.add("Measure", self.extent, TOOLTIPS["extent"])
        self._extent_row = (caption, self.extent.native)
        form.fold("More settings")
        form.add("Image", self.image_layer, TOOLTIPS["image_layer"])
        form.add("Tolerance", self.tolerance, TOOLTIPS["tolerance"])
        self.leaks.tooltip = TOOLTIPS["leaks"]
        self.measure.tooltip = TOOLTIPS["measure"]
        self.measure.native.setAccessibleName("Measure of the curve")
        take = QHBoxLayout()
        take.addWidget(self.copy_button)
        take.addWidget(self.csv_button)
        take.addWidget(self.python_button)
        take.addStretch()
        take.addWidget(help_button(HELP))
        curve = QHBoxLayout()
        curve.addWidget(self.curve_button)
        curve.addWidget(self.measure.native, 1)
        layout = self._column
        layout.addWidget(form)
        layout.addWidget(self.leaks.native)
        layout.addWidget(self._panel)
        layout.addWidget(self.table)
        layout.addLayout(take)
        layout.addLayout(curve)
        layout.addWidget(self.plot)
        layout.addStretch()

    # What is shown ---------------------------------------------------------------

    def _offer_extents(self, chosen: Sequence[Labels], *, picked: bool) -> None:
        """Offer what the layers have: planes, a volume.

        Take what they were made as, unless somebody has picked something.
        """
        layer = chosen[0] if chosen else None
        stack = layer is not None and layer.ndim > 2
        offered, fallback = ["plane"], "plane"
        if layer is not None and stack:
            volume = "z" in guess_axes(layer.ndim, layer.axis_labels)
            offered = ["plane", *(["volume"] if volume else []), "planes"]
            if any(own_planes(each) is not None for each in chosen):
                fallback = "planes"
            elif volume:
                fallback = "volume"
        self.extent.set_choices([(EXTENTS[name], name) for name in offered], fallback)
        if stack and not picked:
            self.extent.value = fallback
        for part in self._extent_row:
            part.setVisible(stack)

    def show_results(self, rows: Sequence[Row]) -> None:
        """Show measures in the table."""
        self.table.show_rows(rows)

    def show_curves(self, rows: Sequence[Row]) -> None:
        """Draw the chosen measure over n: curves of hierarchies, points of layers."""
        key = self.measure.value
        lines: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for row in rows:
            point = (row["n_segments"], row.get(key, math.nan))
            lines.setdefault((row["labels"], row["source"]), []).append(point)
        names = {name for name, source in lines if source == "hierarchy"}
        curves = []
        for (name, source), points in lines.items():
            if source == "layer" and name in names:
                continue  # a point on its own curve
            x, y = zip(*sorted(points), strict=True)
            curves.append(Curve(_short(name), x, y))
        self.plot.set_curves(curves if names else [])

    def show_why_no_curve(self, reason: str, running: bool) -> None:
        """Grey out the button of the curve with a reason, or allow it."""
        self.curve_button.setEnabled(not reason and not running)
        self.curve_button.setToolTip(reason or TOOLTIPS["curve"])

    def show_why_no_copy(self, reason: str) -> None:
        """Grey out Copy and Save with a reason, or allow them."""
        for button, text in (
            (self.copy_button, TOOLTIPS["copy"]),
            (self.csv_button, TOOLTIPS["csv"]),
        ):
            button.setEnabled(not reason)
            button.setToolTip(reason or text)


def _short(name: Any) -> str:
    """Return a name that leaves room for another one beside it."""
    text = str(name)
    if len(text) <= _LONGEST_NAME:
        return text
    half = (_LONGEST_NAME - 1) // 2
    return f"{text[:half]}\u2026{text[-half:]}"
