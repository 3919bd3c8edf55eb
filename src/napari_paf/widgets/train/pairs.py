"""A table of images and their labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_paf.widgets.common.choices import ChoiceBox
from napari_paf.widgets.common.layers import full_resolution, unwrap
from napari_paf.widgets.common.records import KEY, labels_in
from napari_paf.widgets.common.rows_area import RowsArea
from napari_paf.widgets.train.guess import Candidate, guess_pairs
from napari_paf.widgets.train.texts import TOOLTIPS

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

Pair = tuple[Image, Labels]
PREVIEW = "training preview"


class LayerBox(ChoiceBox):
    """The layers of one kind in a viewer, and none of them."""

    null_string = "\u2014"

    def __init__(self, viewer: Viewer, kind: type[Layer]) -> None:
        self._viewer, self._kind = viewer, kind
        super().__init__(nullable=True)

    def refresh(self) -> None:
        """Offer the layers that there are now."""
        self.set_choices(
            ((layer.name, layer) for layer in layers_of(self._viewer, self._kind)), None
        )

    def show_whole_names(self) -> None:
        """Make room for long names in the list and, when pointed at, in the box."""
        view = self.native.view()
        view.setMinimumWidth(view.sizeHintForColumn(0) + 30)
        chosen = "" if self.value is None else f"{self.value.name}\n"
        self.tooltip = (
            chosen + TOOLTIPS["image_layer" if self._kind is Image else "labels_layer"]
        )


def layers_of(viewer: Viewer, kind: type[Layer]) -> list[Any]:
    """Return the layers of one kind to choose from, the top one first."""
    if kind is Labels:
        return labels_in(viewer)
    layers = [unwrap(layer) for layer in reversed(list(viewer.layers))]
    return [layer for layer in layers if isinstance(layer, kind)]


class _Row:
    """An image box, a labels box and a button to remove them."""

    def __init__(
        self,
        viewer: Viewer,
        changed: Callable[[], None],
        remove: Callable[[_Row], None],
    ) -> None:
        self._tell = changed
        self.image = LayerBox(viewer, Image)
        self.labels = LayerBox(viewer, Labels)
        self.button = QToolButton()
        self.button.setText("\u00d7")
        self.button.setToolTip(TOOLTIPS["remove_pair"])
        self.button.setAccessibleName("Remove this pair")
        self.button.clicked.connect(lambda: remove(self))
        for box, name in ((self.image, "Image"), (self.labels, "Labels")):
            box.native.setSizePolicy(
                QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed
            )
            box.native.setAccessibleName(name)
            box.changed.connect(lambda _, box=box: self._on_changed(box))

    @property
    def widgets(self) -> tuple[QWidget, QWidget, QWidget]:
        return self.image.native, self.labels.native, self.button

    @property
    def pair(self) -> tuple[Image | None, Labels | None]:
        return self.image.value, self.labels.value

    def _on_changed(self, box: LayerBox) -> None:
        box.show_whole_names()
        self._tell()

    def fill(self, pair: tuple[Image | None, Labels | None]) -> None:
        """Offer the layers there are now, and choose a pair of them."""
        for box, layer in zip((self.image, self.labels), pair, strict=True):
            with box.changed.blocked():
                box.refresh()
                box.value = layer
            box.show_whole_names()


class PairsTable(QWidget):
    """Pairs of an image layer and its labels layer.

    ``value`` is the list of the complete pairs. They are guessed until somebody
    picks some.
    """

    changed = Signal()

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._rows: list[_Row] = []
        self._picked = False
        self.add_button = QPushButton("Add pair")
        self.add_button.setToolTip(TOOLTIPS["add_pair"])
        self.add_button.clicked.connect(lambda: self.add())
        self.guess_button = QPushButton("Guess")
        self.guess_button.setToolTip(TOOLTIPS["guess"])
        self.guess_button.clicked.connect(lambda: self.guess())
        self._grid_widget = QWidget()
        self._grid = QGridLayout(self._grid_widget)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(3)
        self._grid.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._grid.setHorizontalSpacing(4)
        self._grid.setColumnStretch(0, 1)
        self._grid.setColumnStretch(1, 1)
        for column, title in enumerate(("Image", "Labels")):
            self._grid.addWidget(QLabel(title), 0, column)
        self._scroll = RowsArea(self._grid_widget, n_headings=1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.add_button)
        buttons.addWidget(self.guess_button)
        buttons.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._scroll)
        layout.addLayout(buttons)
        self.refresh()

    @property
    def value(self) -> list[Pair]:
        """The complete pairs, from top to bottom."""
        return [
            (image, labels)
            for image, labels in self.rows
            if image is not None and labels is not None
        ]

    @value.setter
    def value(self, pairs: list[Pair]) -> None:
        self._picked = True
        self._show([(unwrap(image), unwrap(labels)) for image, labels in pairs])

    @property
    def rows(self) -> list[tuple[Image | None, Labels | None]]:
        """What is chosen in each row; None where nothing is."""
        return [row.pair for row in self._rows]

    @property
    def boxes(self) -> list[tuple[LayerBox, LayerBox]]:
        """The boxes of each row."""
        return [(row.image, row.labels) for row in self._rows]

    def add(self) -> None:
        """Add an empty row."""
        self._picked = True
        self._show([*self.rows, (None, None)])
        self._scroll.show_end()
        self._rows[-1].image.native.setFocus()

    def guess(self) -> None:
        """Take the pairs that the names suggest, now and for layers to come."""
        self._picked = False
        self.refresh()

    def refresh(self) -> None:
        """Keep up with the layers of the viewer."""
        if self._picked:
            there = [unwrap(layer) for layer in self._viewer.layers]
            rows = [
                (image, labels)
                for image, labels in self.rows
                if all(x is None or any(x is y for y in there) for x in (image, labels))
            ]
            self._picked = any(part is not None for row in rows for part in row)
        if not self._picked:
            rows = list(self._guessed())
        self._show(rows)

    def _guessed(self) -> list[tuple[Image | None, Labels | None]]:
        images = layers_of(self._viewer, Image)
        labels = layers_of(self._viewer, Labels)
        pairs = guess_pairs(
            [Candidate(x.name, spatial_shape(x)) for x in images],
            [Candidate(x.name, spatial_shape(x), is_computed(x)) for x in labels],
        )
        if pairs:
            return [(images[i], labels[j]) for i, j in pairs]
        return [(images[0] if images else None, None)]

    def _show(self, rows: list[tuple[Image | None, Labels | None]]) -> None:
        before = self.value
        while len(self._rows) > len(rows):
            self._drop(self._rows[-1])
        while len(self._rows) < len(rows):
            row = _Row(self._viewer, self._on_picked, self._remove)
            self._rows.append(row)
            number = self._grid.rowCount()
            for column, part in enumerate(row.widgets):
                self._grid.addWidget(part, number, column)
        for row, pair in zip(self._rows, rows, strict=True):
            row.fill(pair)
            row.button.setVisible(len(rows) > 1)
        self._scroll.fit(len(rows))
        if self.value != before:
            self.changed.emit()

    def _on_picked(self) -> None:
        self._picked = True
        self.changed.emit()

    def _remove(self, row: _Row) -> None:
        self._picked = True
        self._show([other.pair for other in self._rows if other is not row])
        self.changed.emit()

    def _drop(self, row: _Row) -> None:
        self._rows.remove(row)
        for part in row.widgets:
            self._grid.removeWidget(part)
            part.hide()
            part.deleteLater()


def spatial_shape(layer: Image | Labels) -> tuple[int, ...]:
    """Return the shape of a layer at full resolution, without colours."""
    return tuple(int(n) for n in full_resolution(layer).shape[: layer.ndim])


def is_computed(layer: Labels) -> bool:
    """Whether a widget of ours made a layer: what it has is nothing to learn from."""
    return isinstance(layer.metadata.get(KEY), dict)
