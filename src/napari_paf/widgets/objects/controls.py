"""The controls of the Objects widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import FloatSlider, SpinBox
from qtpy.QtWidgets import QHBoxLayout, QPushButton

from napari_paf.widgets.common.choices import ChoiceBox
from napari_paf.widgets.common.form import Form, RunPanel, help_button
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.preferences import REMEMBERED_VALUES
from napari_paf.widgets.common.records import KEY, labels_in
from napari_paf.widgets.common.running import RunningWidget
from napari_paf.widgets.objects.texts import HELP, TOOLTIPS
from napari_paf.widgets.superpixels.hierarchies import hierarchy_of

if TYPE_CHECKING:
    from napari import Viewer

# What a new widget starts with, unless it was set in this session.
_DEFAULTS = {"threshold": 0.06, "min_size": 30}


class SuperpixelBox(ChoiceBox):
    """The superpixels that were made in this session; the active ones first."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        super().__init__()

    def refresh(self) -> None:
        """Offer the layers that there are now."""
        layers = [
            layer
            for layer in labels_in(self._viewer)
            if hierarchy_of(layer) is not None
        ]
        active = unwrap(self._viewer.layers.selection.active)
        newest = layers[0] if layers else None
        fallback = active if any(active is layer for layer in layers) else newest
        self.set_choices(((layer.name, layer) for layer in layers), fallback)


class SeedsBox(ChoiceBox):
    """The labels layers that somebody has drawn, and none of them."""

    null_string = "None: every object"

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        super().__init__(nullable=True)

    def refresh(self) -> None:
        """Offer the layers that there are now."""
        layers = [x for x in labels_in(self._viewer) if KEY not in x.metadata]
        self.set_choices(((layer.name, layer) for layer in layers), None)


class ObjectControls(RunningWidget):
    """Shows the parameters; each is an attribute with a ``value``."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.labels_layer = SuperpixelBox(viewer)
        self.seeds_layer = SeedsBox(viewer)
        self.threshold = FloatSlider(min=0, max=1, step=0.005)
        self.min_size = SpinBox(min=0, max=2**31 - 1, step=10)
        for name, default in _DEFAULTS.items():
            control, key = getattr(self, name), f"objects_{name}"
            control.value = REMEMBERED_VALUES.get(key, default)
            control.changed.connect(
                lambda value, key=key: REMEMBERED_VALUES.__setitem__(key, value)
            )
        self._panel = RunPanel(tooltip=TOOLTIPS["run"])
        self.run_button = self._panel.run_button
        self.cancel_button = self._panel.cancel_button
        self.copy_button = QPushButton("Copy as Python")
        self.copy_button.setToolTip(TOOLTIPS["copy"])
        form = Form()
        form.add("Superpixels", self.labels_layer, TOOLTIPS["labels_layer"])
        form.add("Seeds", self.seeds_layer, TOOLTIPS["seeds_layer"])
        form.add("Threshold", self.threshold, TOOLTIPS["threshold"])
        form.add("Smallest", self.min_size, TOOLTIPS["min_size"])
        tools = QHBoxLayout()
        tools.addWidget(self.copy_button)
        tools.addStretch()
        tools.addWidget(help_button(HELP))
        layout = self._column
        layout.addWidget(form)
        layout.addWidget(self._panel)
        layout.addLayout(tools)
        layout.addStretch()
