"""Channels that napari opened as layers of their own, taken together as one image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QStylePainter,
    QWidget,
)

from napari_paf.widgets.common.layers import placement, unwrap
from napari_paf.widgets.common.rows_area import RowsArea

if TYPE_CHECKING:
    from napari import Viewer
    from numpy.typing import NDArray
    from qtpy.QtGui import QPaintEvent


class ChannelStack:
    """Arrays of one shape as the channels of an image, along a last axis; unread.

    Parameters
    ----------
    arrays : sequence of array-like
        At least one; may be lazy.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = tuple(arrays)
        self.shape = (*map(int, arrays[0].shape), len(arrays))
        self.ndim = len(self.shape)
        self.dtype = np.result_type(*(array.dtype for array in arrays))

    @property
    def in_memory(self) -> bool:
        """Whether reading them costs nothing."""
        return all(isinstance(array, np.ndarray) for array in self.arrays)

    def __getitem__(self, index: tuple[int | slice, ...]) -> NDArray[Any]:
        """Return all channels of a part."""
        parts = [np.asarray(array[index]) for array in self.arrays]
        return np.stack(parts, axis=-1)


def with_channels(data: Any, others: Iterable[Image]) -> Any:
    """Return the array of an image, with those of other layers as further channels."""
    arrays = [layer.data for layer in others]
    return ChannelStack([data, *arrays]) if arrays else data


def alike(viewer: Viewer, image: Image | None, axes: str) -> list[Image]:
    """Return the layers that can be further channels of an image, the lowest first.

    They have its shape and lie where it does. An image that has channels, by its
    `axes` or colours, gets none, and neither does one of several resolutions.
    """
    if image is None or "c" in axes or not _is_plain(image):
        return []
    shape, place = tuple(image.data.shape), _place(image)
    return [
        layer
        for layer in map(unwrap, viewer.layers)
        if isinstance(layer, Image)
        and layer is not image
        and _is_plain(layer)
        and tuple(layer.data.shape) == shape
        and layer.units == image.units
        and np.allclose(_place(layer), place)
    ]


def _place(layer: Image) -> NDArray[np.float64]:
    """Return all numbers that tell where a layer lies."""
    place = placement(layer)
    names = ("scale", "translate", "rotate", "shear", "affine")
    return np.concatenate([np.ravel(place[name]) for name in names])


def _is_plain(layer: Image) -> bool:
    return not (layer.rgb or layer.multiscale)


def layers_of_ids(viewer: Viewer, ids: Iterable[str]) -> list[Image] | None:
    """Return the layers with these ids in their order, or None if one is gone."""
    known = {str(layer.unique_id): unwrap(layer) for layer in viewer.layers}
    found = [known.get(layer_id) for layer_id in ids]
    return None if any(layer is None for layer in found) else found


class LayerChecks:
    """Boxes to tick layers; ``value`` is a list of those that are ticked.

    ``changed`` is emitted with that list when it is another one.
    """

    changed = Signal(list)

    def __init__(self) -> None:
        rows = QWidget()
        self._grid = QGridLayout(rows)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(2)
        self.native = RowsArea(rows)
        self._boxes: list[_LayerBox] = []
        self._layers: list[Any] = []
        self._ticked: list[Any] = []

    @property
    def choices(self) -> tuple[Any, ...]:
        """The layers that are offered."""
        return tuple(self._layers)

    @property
    def boxes(self) -> tuple[QCheckBox, ...]:
        """Their boxes."""
        return tuple(self._boxes)

    @property
    def tooltip(self) -> str:
        """What they are for."""
        return str(self.native.toolTip())

    @tooltip.setter
    def tooltip(self, text: str) -> None:
        self.native.setToolTip(text)

    @property
    def value(self) -> list[Any]:
        """The layers that are ticked, in the order in which they are offered."""
        return list(self._ticked)

    @value.setter
    def value(self, layers: Iterable[Any]) -> None:
        wanted = [unwrap(layer) for layer in layers]
        for layer in wanted:
            if not _is_among(layer, self._layers):
                names = ", ".join(repr(offered.name) for offered in self._layers)
                raise ValueError(
                    f"channel_layers with {layer!r}, which is not like the image: "
                    f"choose among {names or 'none, since there are no others'}."
                )
        for box, layer in zip(self._boxes, self._layers, strict=True):
            blocked = box.blockSignals(True)
            box.setChecked(_is_among(layer, wanted))
            box.blockSignals(blocked)
        self._look()

    def set_choices(self, layers: Sequence[Any]) -> None:
        """Offer other layers; those that were ticked and still are offered stay so."""
        names = [layer.name for layer in layers]
        if list(map(id, layers)) != list(map(id, self._layers)):
            for box in self._boxes:
                self._grid.removeWidget(box)
                box.deleteLater()
            self._layers = list(layers)
            self._boxes = [_LayerBox() for _ in layers]
            for row, (box, layer) in enumerate(zip(self._boxes, layers, strict=True)):
                box.setChecked(_is_among(layer, self._ticked))
                box.toggled.connect(self._look)
                self._grid.addWidget(box, row, 0)
            self.native.fit(len(layers))
        for box, name in zip(self._boxes, names, strict=True):
            box.setText(name)
            box.setToolTip(f"{name}\n\n{self.tooltip}")
        self._look()

    def _look(self, ticked: bool = False) -> None:
        """Look which boxes are ticked by now."""
        before = self._ticked
        self._ticked = [
            layer
            for box, layer in zip(self._boxes, self._layers, strict=True)
            if box.isChecked()
        ]
        if list(map(id, before)) != list(map(id, self._ticked)):
            self.changed.emit(self.value)


class _LayerBox(QCheckBox):
    """A box with the name of a layer, whose middle is left out if it is too long."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint it with what fits of the name."""
        option = QStyleOptionButton()
        self.initStyleOption(option)
        style = self.style()
        assert style is not None
        part = QStyle.SubElement.SE_CheckBoxContents
        room = style.subElementRect(part, option, self).width()
        option.text = option.fontMetrics.elidedText(
            self.text(), Qt.TextElideMode.ElideMiddle, room
        )
        painter = QStylePainter(self)
        painter.drawControl(QStyle.ControlElement.CE_CheckBox, option)
        painter.end()


def _is_among(layer: Any, layers: Sequence[Any]) -> bool:
    return any(layer is each for each in layers)
