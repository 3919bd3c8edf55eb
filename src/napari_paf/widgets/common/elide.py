"""Long names in narrow boxes: their middle is left out, not their end."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

MARGIN = 2
"""Pixels that styles leave beside the text: one on either side."""


class Elider(QObject):
    """Paints a combo box, and its list, with names that fit.

    Layers of one image begin alike and differ at the end, so both are kept.
    """

    def __init__(self, box: QComboBox) -> None:
        super().__init__(box)
        box.installEventFilter(self)
        view = box.view()
        assert view is not None
        view.setTextElideMode(Qt.TextElideMode.ElideMiddle)

    def eventFilter(self, box: QObject | None, event: QEvent | None) -> bool:
        """Paint in the place of the box."""
        if not isinstance(box, QComboBox) or event is None:
            return False
        if event.type() != QEvent.Type.Paint:
            return False
        option = QStyleOptionComboBox()
        box.initStyleOption(option)
        style = box.style()
        assert style is not None
        room = style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            box,
        )
        option.currentText = option.fontMetrics.elidedText(
            option.currentText, Qt.TextElideMode.ElideMiddle, room.width() - MARGIN
        )
        painter = QStylePainter(box)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()
        return True
