"""The table of measures, to be read, copied and saved."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
)

from napari_paf._files import replacing
from napari_paf.widgets.common.running import copy_text
from napari_paf.widgets.compare.texts import MEASURES, TOOLTIPS

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

_ROWS_SHOWN = 4


class MeasuresTable(QTableWidget):
    """A row for each labels layer, a column for each measure."""

    def __init__(self) -> None:
        super().__init__(0, len(MEASURES) + 1)
        self.setToolTip(TOOLTIPS["table"])
        self.setAccessibleName("Measures")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setWordWrap(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTabKeyNavigation(False)  # Tab goes on to the next control
        self.setStyleSheet(
            "QTableWidget, QHeaderView::section { font-size: 11px; padding: 0 1px; }"
        )
        self.setHorizontalHeaderItem(0, QTableWidgetItem("Labels"))
        for column, (_, heading, name, says) in enumerate(MEASURES, start=1):
            item = QTableWidgetItem(heading)
            item.setToolTip(f"{name}. {says}")
            self.setHorizontalHeaderItem(column, item)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        rows.setDefaultSectionSize(22)
        columns.setMinimumSectionSize(20)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        columns.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.show_rows([])

    def show_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Show other measures."""
        self.setRowCount(len(rows))
        for number, row in enumerate(rows):
            item = QTableWidgetItem(row["labels"])
            item.setToolTip(row["labels"])
            self.setItem(number, 0, item)
            for column, (key, _, name, _) in enumerate(MEASURES, start=1):
                text = _text(key, row.get(key, math.nan))
                item = QTableWidgetItem(text)
                item.setToolTip(f"{name}: {text}")
                item.setTextAlignment(
                    Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                )
                self.setItem(number, column, item)
        shown = min(max(len(rows), 1), _ROWS_SHOWN)
        self.setFixedHeight(22 * shown + 26)

    def minimumSizeHint(self) -> QSize:
        """Never widen the dock."""
        return QSize(120, 48)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Copy the table with the usual keys."""
        if event is not None and event.matches(QKeySequence.StandardKey.Copy):
            cells = [
                [self._text_of(row, column) for column in range(self.columnCount())]
                for row in range(self.rowCount())
            ]
            copy_text("\n".join("\t".join(row) for row in cells))
            return
        super().keyPressEvent(event)

    def _text_of(self, row: int, column: int) -> str:
        item = self.item(row, column)
        return "" if item is None else str(item.text())


def as_text(rows: Sequence[dict[str, Any]], delimiter: str) -> str:
    """Return rows, with a header of all their keys, in columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, names, delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _plain(value) for name, value in row.items()})
    return file.getvalue()


def write_csv(rows: Sequence[dict[str, Any]], path: str | os.PathLike[str]) -> None:
    """Write rows as a CSV file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(as_text(rows, ","), encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return int(value) if value.is_integer() and abs(value) > 1 else value
    return value


def _text(key: str, value: float) -> str:
    if math.isnan(value):
        return "\u2013"
    return f"{value:.0f}" if key == "n_segments" else f"{value:.3f}"
