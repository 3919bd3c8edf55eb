"""Parts that the widgets are put together from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QGraphicsOpacityEffect,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from magicgui.widgets.bases import ValueWidget


def help_button(address: str) -> QPushButton:
    """Return a button that opens a page of the documentation."""
    button = QPushButton("Help")
    button.setToolTip(f"Open {address}")
    button.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(address)))
    return button


class Form(QWidget):
    """Rows of a label and a control, some of them under "More settings"."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setColumnStretch(1, 1)
        self._grid.setVerticalSpacing(6)
        self._folded: list[QWidget] = []
        self._fold: QPushButton | None = None

    def add(self, label: str, control: ValueWidget[Any], tooltip: str) -> QLabel:
        """Add a row; the tooltip shows on both the label and the control."""
        row = self._grid.rowCount()
        caption = QLabel(label)
        native = control.native
        control.tooltip = tooltip
        caption.setToolTip(tooltip)
        caption.setBuddy(native)
        native.setAccessibleName(label)
        # They have the focus in its stead: a slider and the number beside it.
        parts = [*native.findChildren(QSlider), *native.findChildren(QAbstractSpinBox)]
        for part in parts:
            part.setAccessibleName(label)
            part.setToolTip(tooltip)
        # Long layer names are cut in the box rather than widening the dock.
        native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        native.setMinimumWidth(185)
        self._grid.addWidget(caption, row, 0)
        self._grid.addWidget(native, row, 1)
        if self._fold is not None:
            self._folded += [caption, native]
            caption.hide()
            native.hide()
        return caption

    def add_beside(self, control: ValueWidget[Any], tooltip: str) -> None:
        """Add a small control to the right of the last one."""
        row = self._grid.rowCount() - 1
        item = self._grid.itemAtPosition(row, 1)
        assert item is not None
        native = item.widget()
        assert native is not None
        self._grid.removeWidget(native)
        native.setMinimumWidth(0)
        control.tooltip = tooltip
        both = QWidget()
        layout = QHBoxLayout(both)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(native, 4)
        layout.addWidget(control.native, 5)  # room for seven digits
        self._grid.addWidget(both, row, 1)

    def add_folded(self, part: QWidget) -> None:
        """Add a part of the whole width that folds away."""
        self._grid.addWidget(part, self._grid.rowCount(), 0, 1, 2)
        self._folded.append(part)
        part.hide()

    def add_note(self) -> QLabel:
        """Add a line of small print under the control above."""
        note = QLabel()
        note.setStyleSheet("font-size: 11px;")
        paler = QGraphicsOpacityEffect(note)  # in any theme
        paler.setOpacity(0.75)
        note.setGraphicsEffect(paler)
        self._grid.addWidget(note, self._grid.rowCount(), 1)
        return note

    def fold(self, title: str) -> QPushButton:
        """Add a heading; the rows added from now on fold away under it."""
        self._fold = QPushButton()
        self._fold.setCheckable(True)
        self._fold.setFlat(True)
        self._fold.setToolTip("Show or hide the settings that are seldom changed.")
        self._fold.setStyleSheet(
            "QPushButton, QPushButton:checked {"
            " text-align: left; background: transparent; border: none; padding: 2px 0;}"
        )
        self._grid.addWidget(self._fold, self._grid.rowCount(), 0, 1, 2)

        def show(unfolded: bool) -> None:
            arrow = "\u25be" if unfolded else "\u25b8"
            assert self._fold is not None
            self._fold.setText(f"{arrow} {title}")
            for part in self._folded:
                part.setVisible(unfolded)
            self._grid.activate()  # at once, before something else takes the room

        self._fold.toggled.connect(show)
        show(False)
        return self._fold


class RunPanel(QWidget):
    """Run and Cancel, what is going on, and why Run is greyed out."""

    def __init__(
        self,
        verb: str = "Run",
        tooltip: str = "Compute the superpixels with these settings.",
    ) -> None:
        super().__init__()
        self._tooltip = tooltip
        self.run_button = QPushButton(verb)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop the run; nothing in the viewer changes.")
        self.bar = QProgressBar()
        self.bar.setRange(0, 100)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        # Room for two lines, so that nothing jumps when the text changes.
        self.message.setMinimumHeight(2 * self.message.fontMetrics().lineSpacing() + 4)
        self.message.setAlignment(
            Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft
        )
        self.buttons = QHBoxLayout()
        self.buttons.addWidget(self.run_button, 2)
        self.buttons.addWidget(self.cancel_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self.buttons)
        layout.addWidget(self.message)
        layout.addWidget(self.bar)
        self._reason = ""
        self._outcome = ""
        self._running = False
        self._update()

    @property
    def reason(self) -> str:
        """Why Run is greyed out, or an empty string."""
        return self._reason

    def set_reason(self, reason: str) -> None:
        """Grey out Run with a reason, or allow it with an empty one."""
        self._reason = reason
        self._update()

    def set_running(self, running: bool, outcome: str = "") -> None:
        """Switch between before, during and after a run."""
        self._running = running
        self._outcome = outcome
        self.bar.setRange(0, 100)
        self.bar.setValue(0)
        self._update()
        if running:
            self.message.setText("Starting \u2026")
        elif outcome and self._reason:  # both, until something else is to be said
            self.message.setText(f"{outcome}\n\u26a0 {self._reason}")

    def show_step(self, fraction: float, description: str) -> None:
        """Show how far a run is and what it does."""
        self.bar.setValue(round(100 * fraction))
        self.message.setText(f"{description} \u2026")

    def show_cancelling(self) -> None:
        """Show that the run is about to end."""
        self.cancel_button.setEnabled(False)
        self.bar.setRange(0, 0)
        self.message.setText("Cancelling \u2026")

    def _update(self) -> None:
        self.run_button.setEnabled(not self._running and not self._reason)
        self.cancel_button.setEnabled(self._running)
        self.bar.setVisible(self._running)
        if self._running:
            return
        reason = f"\u26a0 {self._reason}" if self._reason else ""
        self.message.setText(reason or self._outcome)
        self.run_button.setToolTip(self._reason or self._tooltip)
