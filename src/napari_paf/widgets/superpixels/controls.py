"""The controls of the Superpixels widget: what they are and where they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import ref

from magicgui.widgets import CheckBox, ComboBox, LineEdit
from napari.layers import Shapes
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_paf.widgets.common.channel_layers import LayerChecks, alike
from napari_paf.widgets.common.choices import ChoiceBox, ImageBox, MaskBox, ModelBox
from napari_paf.widgets.common.form import Form, RunPanel, help_button
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.preferences import REMEMBERED_VALUES
from napari_paf.widgets.common.running import RunningWidget
from napari_paf.widgets.superpixels.balance import BalanceBox
from napari_paf.widgets.superpixels.granularity import Granularity
from napari_paf.widgets.superpixels.texts import (
    CHANNELS,
    CONNECTIVITY,
    EXTENTS,
    HELP,
    IN_VIEW,
    OTHER_CHANNELS,
    TOOLTIPS,
    WHOLE,
)

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

    from napari_paf.widgets.common.plane import Plane

# What a new widget starts with: as it was last set in this session.
REMEMBERED = (
    "extent",
    "n_segments",
    "model",
    "balance",
    "connectivity",
    "device",
    "unique",
    "outlines",
    "keep_previous",
)


class SuperpixelControls(RunningWidget):
    """Shows the parameters; each is an attribute with a ``value``."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._offered_for: Callable[[], Image | None] = lambda: None
        self._stack = False  # whether there is an extent to choose
        self._make_controls()
        self._lay_out()
        for name in REMEMBERED:
            control = getattr(self, name)
            # Devices, extents and the neighbours in volumes are offered later.
            if name in REMEMBERED_VALUES and name not in ("device", "extent"):
                value = REMEMBERED_VALUES[name]
                control.value = min(value, 2) if name == "connectivity" else value
            control.changed.connect(
                lambda value, name=name: self._remember(name, value)
            )

    def _remember(self, name: str, value: Any) -> None:
        if name != "extent" or self._stack:
            REMEMBERED_VALUES[name] = value

    def _make_controls(self) -> None:
        self.image_layer = ImageBox(self._viewer)
        self.channel_layers = LayerChecks()
        self.extent = ChoiceBox()
        self.channels = ChoiceBox()
        self._granularity = Granularity()
        self.n_segments = self._granularity.n_segments
        self.model = ModelBox()
        self.mask_layer = MaskBox(self._viewer)
        self.region = ChoiceBox(nullable=True)
        self.region.null_string = WHOLE
        self.level = ChoiceBox()
        self.axes = LineEdit(value="")
        self.balance = BalanceBox()
        self.connectivity = ComboBox(choices=CONNECTIVITY[2], value=2)
        self.device = ChoiceBox()
        self.unique = CheckBox(value=True, text="Different labels in every plane")
        self.outlines = CheckBox(value=True, text="Outlines")
        self.keep_previous = CheckBox(value=False, text="Keep previous result")
        self._panel = RunPanel()
        self.run_button = self._panel.run_button
        self.cancel_button = self._panel.cancel_button
        self.load_button = _small_button("Load from layer", TOOLTIPS["load"])
        self.copy_button = _small_button("Copy as Python", TOOLTIPS["copy"])

    def _lay_out(self) -> None:
        form = Form()
        form.add("Image", self.image_layer, TOOLTIPS["image_layer"])
        self._plane_note = form.add_note()
        self._together_row = self._row(form, "Together with", "channel_layers")
        self._extent_row = self._row(form, "Divide", "extent")
        self._channel_row = self._row(form, "Channels", "channels")
        self._granularity.add_to(form)
        form.add("Model", self.model, TOOLTIPS["model"])
        form.fold("More settings")
        form.add("Mask", self.mask_layer, TOOLTIPS["mask_layer"])
        form.add("Part", self.region, TOOLTIPS["region"])
        form.add("Balance", self.balance, TOOLTIPS["balance"])
        form.add("Neighbours", self.connectivity, TOOLTIPS["connectivity"])
        form.add("Axes", self.axes, TOOLTIPS["axes"])
        form.add("Device", self.device, TOOLTIPS["device"])
        self._level_row = self._row(form, "Resolution", "level", folded=True)
        options = QHBoxLayout()
        for name in ("outlines", "keep_previous", "unique"):
            box = getattr(self, name)
            box.tooltip = TOOLTIPS[name]
        for name in ("outlines", "keep_previous"):
            options.addWidget(getattr(self, name).native)
        options.addStretch()
        tools = QHBoxLayout()
        tools.addWidget(self.load_button)
        tools.addWidget(self.copy_button)
        tools.addStretch()
        tools.addWidget(help_button(HELP))
        layout = self._column
        layout.addWidget(form)
        layout.addWidget(self.unique.native)
        layout.addLayout(options)
        layout.addWidget(self._panel)
        layout.addLayout(tools)
        layout.addStretch()
        for part in (*self._extent_row, *self._channel_row, *self._together_row):
            part.hide()
        self.unique.native.hide()

    def _row(
        self, form: Form, label: str, name: str, *, folded: bool = False
    ) -> tuple[QWidget, ...]:
        control = getattr(self, name)
        caption = form.add(label, control, TOOLTIPS[name])
        control.native.setAccessibleName(label)
        return (caption, control.native)

    # What there is to choose from ------------------------------------------

    def _offer_for(self, layer: Image | None) -> None:
        """Offer what the image has: channels, volumes, levels, shapes to stay in."""
        axes = self.axes.value
        self._stack = stack = layer is not None and len(axes.replace("c", "")) > 2
        extents = ["plane", "planes"]
        if "z" in axes:
            extents.insert(1, "volume")
        wanted = REMEMBERED_VALUES.get("extent")
        wanted = wanted if wanted in extents else "plane"
        self.extent.set_choices(((EXTENTS[name], name) for name in extents), wanted)
        for part in self._extent_row:
            part.setVisible(stack)
        another = layer is not self._offered_for()
        if not stack:
            self.extent.value = "plane"
        elif another:
            self.extent.value = wanted
        if layer is not None and "c" in axes and not layer.rgb:
            length = layer.data.shape[axes.index("c")]
            numbers = [(f"Channel {k + 1}", k) for k in range(length)]
            self.channels.set_choices([*OTHER_CHANNELS, *numbers], "view")
        else:
            self.channels.set_choices(CHANNELS, "rgb")
        shown = layer is not None and (layer.rgb or "c" in axes)
        for part in self._channel_row:
            part.setVisible(shown)
        levels = [("Full", 0)]
        if layer is not None and layer.multiscale:
            levels = [
                (" \u00d7 ".join(str(n) for n in data.shape[: layer.ndim][-2:]), i)
                for i, data in enumerate(layer.data)
            ]
        self.level.set_choices(levels, _finest_level(layer))
        if another:
            self.level.value = _finest_level(layer)
            self._offered_for = ref(layer) if layer is not None else lambda: None
        self.level.enabled = len(levels) > 1
        shapes = [
            (f"Inside {other.name}", unwrap(other))
            for other in self._viewer.layers
            if isinstance(unwrap(other), Shapes)
        ]
        self.region.set_choices([IN_VIEW, *shapes], None)
        self.unique.native.setVisible(stack and self.extent.value == "planes")

    def _offer_channel_layers(self, layer: Image | None) -> None:
        others = alike(self._viewer, layer, self.axes.value)
        self.channel_layers.set_choices(others)
        for part in self._together_row:
            part.setVisible(bool(others))

    def _offer_neighbours(self, ndim: int) -> None:
        offered = CONNECTIVITY[ndim]
        if tuple(value for _, value in offered) != tuple(self.connectivity.choices):
            before = REMEMBERED_VALUES.get("connectivity", self.connectivity.value)
            with self.connectivity.changed.blocked():
                self.connectivity.choices = offered
                self.connectivity.value = min(before, ndim)

    def _show_plane(
        self, plane: Plane | None, layer: Image | None, counts: list[int] | None
    ) -> None:
        """Show what is divided; `counts` are its pixels in every plane, if known."""
        if plane is None or layer is None:
            self._plane_note.setText("")
            self._granularity.set_image(0, None)
            return
        self._plane_note.setText(plane.describe())
        self._offer_neighbours(len(plane.spatial))
        divided = [n for n in counts or () if n > 0]
        n_pixels = round(sum(divided) / len(divided)) if divided else plane.n_pixels
        self._granularity.set_image(n_pixels, _pixel_size(layer, plane))


def _finest_level(layer: Image | None) -> int:
    """Return the finest level that is no trouble to divide as a whole."""
    if layer is None or not layer.multiscale:
        return 0
    for level, data in enumerate(layer.data):
        rows, columns = data.shape[: layer.ndim][-2:]
        if rows * columns <= 2**24:
            return level
    return len(layer.data) - 1


def _pixel_size(layer: Image, plane: Plane) -> tuple[float, str] | None:
    """Return the area or volume of a pixel and its unit, if it has a physical one."""
    units = {str(layer.units[axis]) for axis in plane.spatial}
    if len(units) != 1 or "pixel" in units:
        return None
    size = 1.0
    for axis in plane.spatial:
        size *= abs(float(layer.scale[axis])) * plane.zoom[axis]
    power = {2: "\u00b2", 3: "\u00b3"}[len(plane.spatial)]
    return size, f"{layer.units[plane.spatial[0]]:~}{power}"


def _small_button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    return button
