"""Rows of controls, of which some are shown and the others scroll."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QGridLayout, QScrollArea, QSizePolicy, QWidget

_MOST_ROWS_SHOWN = 4


class RowsArea(QScrollArea):
    """Shows some rows; more of them scroll.

    Parameters
    ----------
    rows : QWidget
        With a grid; the first `n_headings` rows of it are headings.
    """

    def __init__(self, rows: QWidget, *, n_headings: int = 0) -> None:
        super().__init__()
        self._n_headings = n_headings
        self.setWidget(rows)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._n_shown = 1

    def fit(self, n_rows: int) -> None:
        """Be as high as the headings and the rows, or some of them."""
        self._n_shown = min(n_rows, _MOST_ROWS_SHOWN)
        self.setVerticalScrollBarPolicy(
            Qt.ScrollBarPolicy.ScrollBarAsNeeded
            if n_rows > self._n_shown
            else Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        )
        self.updateGeometry()

    def show_end(self) -> None:
        """Scroll to the last row."""
        bar = self.verticalScrollBar()
        if bar is not None:
            bar.rangeChanged.connect(lambda _, end: bar.setValue(end))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the rows when they change their size, as with another theme."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))

    def sizeHint(self) -> QSize:
        """Say how large the rows would like to be."""
        rows = self.widget()
        grid = None if rows is None else rows.layout()
        assert isinstance(grid, QGridLayout)
        heights: dict[int, int] = {}
        for number in range(grid.count()):
            item, (row, *_) = grid.itemAt(number), grid.getItemPosition(number)
            if item is not None and row is not None:
                heights[row] = max(heights.get(row, 0), item.sizeHint().height())
        n_shown = self._n_headings + self._n_shown
        shown = [heights[row] for row in sorted(heights)][:n_shown]
        height = sum(shown) + (len(shown) - 1) * grid.verticalSpacing()
        return QSize(200, height + 5)  # focus frames and such

    def minimumSizeHint(self) -> QSize:
        """Say how small the rows may be: no smaller."""
        return self.sizeHint()
