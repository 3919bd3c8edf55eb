"""The base of the widgets: they scroll, and leave nothing behind however they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QDockWidget,
    QFrame,
    QMainWindow,
    QScrollArea,
    QScrollBar,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from napari_paf.widgets.common import preferences
from napari_paf.widgets.common.events import Ties

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent

_WITH_WHEEL = (QAbstractSpinBox, QComboBox, QAbstractSlider)
_LEAST_HEIGHT = 96  # pixels, of a widget that scrolls


class DockedWidget(QWidget):
    """A widget in napari's dock that scrolls, and cuts its ties when it is closed.

    Subclasses put their parts into the layout ``_column``, and keep their connections
    and their run in ``_ties``.
    """

    def __init__(self) -> None:
        super().__init__()
        parts = QWidget()
        self._column = QVBoxLayout(parts)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(_Scrolled(parts))
        self._docked = self._seen = False
        self._ties = Ties()
        self.destroyed.connect(self._ties.cut)
        preferences.follow()

    def event(self, event: QEvent | None) -> bool:
        """Notice when the widget is first shown, and leaves its dock for good."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._docked = True
            elif self._docked:
                QTimer.singleShot(0, self._leave)
        if event is not None and event.type() == QEvent.Type.Show and not self._seen:
            self._seen = True
            QTimer.singleShot(0, self._share_room)
        return bool(super().event(event))

    def _share_room(self) -> None:
        """Give each of the widgets in one dock area its share of the height.

        Qt gives the newest one all it wants, and hardly anything to the others.
        """
        window, own = self.window(), _dock_of(self)
        if not isinstance(window, QMainWindow) or own is None:
            return
        docks = {}
        for widget in window.findChildren(DockedWidget):
            dock = _dock_of(widget)
            if dock is not None and dock.isVisible() and not dock.isFloating():
                if window.dockWidgetArea(dock) == window.dockWidgetArea(own):
                    docks[dock] = dock.sizeHint().height()
        if own in docks and len(docks) > 1:
            window.resizeDocks(
                list(docks), list(docks.values()), Qt.Orientation.Vertical
            )

    def _leave(self) -> None:
        if self.parent() is None:
            run = self._ties.run
            self._ties.cut()
            if run is not None:
                run.release()
            self.deleteLater()


def _dock_of(widget: QWidget) -> QDockWidget | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


class _Scrolled(QScrollArea):
    """Scrolls up and down, so that several widgets fit into the dock.

    Wants as much room as its parts, but gets by with little. The wheel scrolls, and
    changes a control only if that has the focus.
    """

    def __init__(self, parts: QWidget) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setWidget(parts)

    def sizeHint(self) -> QSize:
        """Say how large the parts would like to be."""
        parts = self.widget()
        return super().sizeHint() if parts is None else parts.sizeHint()

    def minimumSizeHint(self) -> QSize:
        """Say how small the area may be: as wide as the parts, with the scroll bar."""
        parts, style = self.widget(), self.style()
        if parts is None or style is None:
            return super().minimumSizeHint()
        least = parts.minimumSizeHint()
        bar = style.pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent, None, self)
        width = least.width() + bar + 2 * self.frameWidth()
        return QSize(width, min(least.height(), _LEAST_HEIGHT))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the parts in their size; keep the wheel from their controls."""
        if event is None or watched is None:
            return False
        if isinstance(watched, _WITH_WHEEL) and not isinstance(watched, QScrollBar):
            if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
                event.ignore()  # the area gets it then
                return True
            return False
        if event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
            self._watch_controls()
        return bool(super().eventFilter(watched, event))

    def showEvent(self, event: QShowEvent | None) -> None:
        """Ask for the width again: the scroll bar has its style by now."""
        super().showEvent(event)
        self.updateGeometry()

    def _watch_controls(self) -> None:
        parts = self.widget()
        for kind in _WITH_WHEEL if parts is not None else ():
            for control in parts.findChildren(kind):
                if not isinstance(control, QScrollBar):
                    control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # not by wheel
                    control.installEventFilter(self)
