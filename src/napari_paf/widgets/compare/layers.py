"""Lists to tick layers in, and which ones are ticked to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.records import axes_across, record_of
from napari_paf.widgets.compare.read import beside
from napari_paf.widgets.train.guess import sounds_like_truth

if TYPE_CHECKING:
    from napari_paf.widgets.common.layers import Index

_ROWS_SHOWN = 3


class LayerList(QListWidget):
    """Labels layers to tick; ``value`` is the list of those that are.

    Guesses, given with `offer`, are ticked until somebody ticks others.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._layers: list[Labels] = []
        self._picked = False
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        # Or the box can hardly be seen on napari's dark ground.
        self.setStyleSheet("QListView::indicator:unchecked { border: 1px solid gray; }")
        self.itemChanged.connect(self._on_ticked)

    @property
    def value(self) -> list[Labels]:
        """The layers that are ticked, in the order of the layer list."""
        return [layer for row, layer in enumerate(self._layers) if self._is_ticked(row)]

    @value.setter
    def value(self, layers: Labels | Sequence[Labels]) -> None:
        chosen = [layers] if isinstance(unwrap(layers), Labels) else list(layers)
        chosen = [unwrap(layer) for layer in chosen]
        for layer in chosen:
            if not any(layer is other for other in self._layers):
                raise ValueError(f"{layer!r} is not a labels layer of this viewer.")
        self._picked = True
        self._tick(chosen)

    @property
    def picked(self) -> bool:
        """Whether somebody has chosen, rather than a guess."""
        return self._picked

    @property
    def choices(self) -> tuple[Labels, ...]:
        """The layers that there are to tick."""
        return tuple(self._layers)

    # What `Form` asks of a control.

    @property
    def native(self) -> LayerList:
        """The widget itself."""
        return self

    @property
    def tooltip(self) -> str:
        """What the list is for."""
        return str(self.toolTip())

    @tooltip.setter
    def tooltip(self, text: str) -> None:
        self.setToolTip(text)

    def offer(self, layers: Sequence[Labels], guess: Sequence[Labels]) -> None:
        """List the layers there are now; tick what was ticked, or the guess."""
        before = self.value
        kept = [layer for layer in before if any(layer is x for x in layers)]
        if not kept:
            self._picked = False
        self.blockSignals(True)
        self.clear()
        self._layers = list(layers)
        for layer in layers:
            item = QListWidgetItem(layer.name)
            item.setToolTip(f"{layer.name}\n{self.tooltip}")
            item.setFlags(
                Qt.ItemFlag.ItemIsEnabled
                | Qt.ItemFlag.ItemIsSelectable
                | Qt.ItemFlag.ItemIsUserCheckable
            )
            item.setCheckState(Qt.CheckState.Unchecked)
            self.addItem(item)
        if layers:
            self.setCurrentRow(0)
        self.blockSignals(False)
        self._tick(kept if self._picked else guess, tell=False)
        if [id(x) for x in self.value] != [id(x) for x in before]:
            self.changed.emit()

    def sizeHint(self) -> QSize:
        """Say how large the list would like to be: some rows."""
        row = max(self.sizeHintForRow(0), self.fontMetrics().height() + 6)
        shown = min(max(self.count(), 2), _ROWS_SHOWN)
        return QSize(200, shown * row + 2 * self.frameWidth() + 4)

    def _is_ticked(self, row: int) -> bool:
        item = self.item(row)
        return item is not None and item.checkState() == Qt.CheckState.Checked

    def _tick(self, chosen: Sequence[Labels], *, tell: bool = True) -> None:
        self.blockSignals(True)
        for row, layer in enumerate(self._layers):
            on = any(layer is other for other in chosen)
            item = self.item(row)
            assert item is not None
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        self.blockSignals(False)
        self.viewport().update()
        self.updateGeometry()
        if tell:
            self.changed.emit()

    def _on_ticked(self, item: QListWidgetItem) -> None:
        self._picked = True
        self.changed.emit()


def guess_labels(layers: Sequence[Labels]) -> list[Labels]:
    """Return the layers that look like superpixels, the newest one at least."""
    made = [layer for layer in layers if "n_segments" in record_of(layer)]
    named = [layer for layer in layers if not sounds_like_truth(layer.name)]
    return made or list(named or layers)[:1]


def guess_truth(layers: Sequence[Labels], measured: Sequence[Labels]) -> list[Labels]:
    """Return the layers that look like the ground truth of others."""
    if not measured:
        return []
    fitting = [
        layer
        for layer in layers
        if not any(layer is other for other in measured)
        and not record_of(layer)  # what was computed is no truth
        and beside(measured[0], layer) is not None
    ]
    named = [layer for layer in fitting if sounds_like_truth(layer.name)]
    return named or (fitting if len(fitting) == 1 else [])


def own_planes(layer: Labels) -> tuple[int, ...] | None:
    """Return the axes of the planes that superpixels end in; None if there are none.

    A stack that was divided plane by plane may have the same numbers in each.
    """
    across = axes_across(layer)
    along = tuple(axis for axis in range(layer.ndim) if axis not in across)
    return along if across and len(along) == 2 else None


def is_part(part: Index, whole: Index, shape: tuple[int, ...]) -> bool:
    """Return whether an index of an array is a part of what another one takes."""
    return all(
        isinstance(outer, slice)
        or inner == outer
        or (length == 1 and isinstance(inner, slice))
        for inner, outer, length in zip(part, whole, shape, strict=True)
    )
