"""What the Train affinity model widget consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import CheckBox, ComboBox, FloatSpinBox, LineEdit, SpinBox
from qtpy.QtWidgets import QHBoxLayout, QPushButton

from napari_paf.widgets.common import warmup
from napari_paf.widgets.common.choices import ChoiceBox, InitBox
from napari_paf.widgets.common.form import Form, help_button
from napari_paf.widgets.common.preferences import preferred_device
from napari_paf.widgets.common.running import RunningWidget
from napari_paf.widgets.superpixels.texts import DEVICES
from napari_paf.widgets.train.models import OwnModels
from napari_paf.widgets.train.pairs import PairsTable
from napari_paf.widgets.train.panel import TrainPanel
from napari_paf.widgets.train.texts import (
    DURATIONS,
    HELP,
    LOSSES,
    NO_PREVIEW,
    TOOLTIPS,
    UNITS,
    ZERO,
)

if TYPE_CHECKING:
    from napari import Viewer

    from napari_paf.widgets.common.warmup import Backends


class TrainControls(RunningWidget):
    """Shows the parameters; each is an attribute with a ``value``."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._durations = dict(DURATIONS)
        self._make_controls()
        self._lay_out()
        self.unit.changed.connect(self._change_unit)
        self.duration.changed.connect(self._note_duration)
        self.preview.changed.connect(self._show_preview_options)

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
        self.copy_button = QPushButton("Copy as Python")
        self.copy_button.setToolTip(TOOLTIPS["copy"])
        self._offer_backends(warmup.known)

    def _lay_out(self) -> None:
        form = Form()
        form.add("0 means", self.unlabelled, TOOLTIPS["unlabelled"])
        form.add("Duration", self.duration, TOOLTIPS["duration"])
        form.add_beside(self.unit, TOOLTIPS["unit"])
        self.unit.native.setAccessibleName("Unit of the duration")
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
        tools = QHBoxLayout()
        tools.addWidget(self.copy_button)
        tools.addStretch()
        tools.addWidget(help_button(HELP))
        options = QHBoxLayout()
        for name in ("preview", "keep_preview"):
            box = getattr(self, name)
            box.tooltip = TOOLTIPS[name]
            options.addWidget(box.native)
        options.addStretch()
        layout = self._column
        self.setMinimumWidth(325)  # or napari's title of it would be cut
        layout.addWidget(self.pairs)
        layout.addWidget(form)
        layout.addLayout(options)
        layout.addWidget(self._panel)
        layout.addWidget(own)
        layout.addLayout(tools)
        layout.addStretch()

    def _change_unit(self, unit: str) -> None:
        wanted = self._durations[unit]
        # Whole numbers but for minutes; there is no room for more digits.
        self.duration.native.setDecimals(2 if unit == "minutes" else 0)
        self.duration.native.setMinimum(0.01 if unit == "minutes" else 1)
        self.duration.value = wanted

    def _note_duration(self, duration: float) -> None:
        self._durations[self.unit.value] = duration

    def _show_preview_options(self, shown: bool) -> None:
        for name in ("keep_preview", "n_segments"):
            control = getattr(self, name)
            control.native.setEnabled(shown)
            control.tooltip = TOOLTIPS[name] if shown else NO_PREVIEW

    def _offer_backends(self, backends: Backends) -> None:
        self.init.set_names(backends.models)
        self.device.set_choices(
            ((DEVICES.get(name, name), name) for name in backends.devices),
            preferred_device(backends.devices),
        )
        self.own_models.refresh()
