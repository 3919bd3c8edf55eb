"""The controls of the Superpixel painter: what they are and where they stand."""

from __future__ import annotations

from magicgui.widgets import CheckBox, ComboBox, SpinBox
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton

from napari_paf.widgets.common.choices import ChoiceBox
from napari_paf.widgets.common.docked import DockedWidget
from napari_paf.widgets.common.form import Form, help_button
from napari_paf.widgets.painter.keys import listed
from napari_paf.widgets.painter.target import most_of

HELP = "https://github.com/napari-paf/napari-paf/blob/main/docs/painter.md"
TOOLTIPS = {
    "superpixels_layer": "The superpixels to paint with: any labels layer.",
    "labels_layer": "The labels to paint on. A new layer is made when painting starts.",
    "label": "The label that is painted: one number for each object.",
    "mode": "Paint the superpixels that are clicked or crossed, or fill the connected "
    "area of one label that is clicked.",
    "only_unlabelled": "Paint only where there is no label yet.",
    "protect": "Leave other labels alone, also when erasing.",
    "slice_only": "In a volume, paint only the part of a superpixel that lies in the "
    "plane in view.",
    "on": "Paint with the mouse. Select the hand of the layer controls to paint with "
    "superpixels; napari's own tools work as ever.",
    "copy": "Copy a few lines of Python that paint the same superpixels.",
}


class PainterControls(DockedWidget):
    """Shows the parameters; each is an attribute with a ``value``."""

    def __init__(self) -> None:
        super().__init__()
        self._make_controls()
        self._lay_out()

    def _make_controls(self) -> None:
        self.superpixels_layer = ChoiceBox()
        self.labels_layer = ChoiceBox(nullable=True)
        self.labels_layer.null_string = "New layer"
        self.label = SpinBox(value=1, min=1, max=most_of(None))
        self.mode = ComboBox(
            choices=[("Superpixels", "paint"), ("Fill an area", "fill")], value="paint"
        )
        self.only_unlabelled = CheckBox(value=False, text="Only where unlabelled")
        self.protect = CheckBox(value=False, text="Protect other labels")
        self.slice_only = CheckBox(value=False, text="This plane only")
        self.on = QPushButton("Paint")
        self.on.setCheckable(True)
        self.on.setToolTip(TOOLTIPS["on"])
        self.copy_button = QPushButton("Copy as Python")
        self.copy_button.setToolTip(TOOLTIPS["copy"])
        self._message = QLabel()
        self._message.setWordWrap(True)
        self._message.setMinimumHeight(2 * self._message.fontMetrics().height() + 4)

    def _lay_out(self) -> None:
        form = Form()
        form.add("Superpixels", self.superpixels_layer, TOOLTIPS["superpixels_layer"])
        form.add("Paint on", self.labels_layer, TOOLTIPS["labels_layer"])
        form.add("Label", self.label, TOOLTIPS["label"])
        form.add("With", self.mode, TOOLTIPS["mode"])
        layout = self._column
        layout.addWidget(form)
        for name in ("only_unlabelled", "protect", "slice_only"):
            box = getattr(self, name)
            box.tooltip = TOOLTIPS[name]
            layout.addWidget(box.native)
        layout.addWidget(self.on)
        layout.addWidget(self._message)
        layout.addWidget(_key_table())
        tools = QHBoxLayout()
        tools.addWidget(self.copy_button)
        tools.addStretch()
        tools.addWidget(help_button(HELP))
        layout.addLayout(tools)
        layout.addStretch()


def _key_table() -> QLabel:
    rows = "".join(
        f'<tr><td style="padding-right: 12px">{what}</td><td>{does}</td></tr>'
        for what, does in listed()
    )
    label = QLabel(f"<table>{rows}</table>")
    label.setWordWrap(True)
    return label
