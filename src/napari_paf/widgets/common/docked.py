"""The base of the widgets: they leave nothing behind, however they go."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QWidget

from napari_paf.widgets.common import preferences
from napari_paf.widgets.common.events import Ties


class DockedWidget(QWidget):
    """A widget in napari's dock that cuts its ties when it is closed.

    Subclasses keep their connections and their run in ``_ties``.
    """

    def __init__(self) -> None:
        super().__init__()
        self._docked = False
        self._ties = Ties()
        self.destroyed.connect(self._ties.cut)
        preferences.follow()

    def event(self, event: QEvent | None) -> bool:
        """Notice when napari takes the widget out of its dock for good."""
        if event is not None and event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._docked = True
            elif self._docked:
                QTimer.singleShot(0, self._leave)
        return bool(super().event(event))

    def _leave(self) -> None:
        if self.parent() is None:
            run = self._ties.run
            self._ties.cut()
            if run is not None:
                run.release()
            self.deleteLater()
