"""How much equal sizes matter: a number, or left to the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import FloatSpinBox
from qtpy.QtCore import QEvent, QObject

from napari_paf._validation import LARGEST_BALANCE

if TYPE_CHECKING:
    from qtpy.QtWidgets import QDoubleSpinBox

STEP = 0.05
AUTOMATIC = "Automatic"


class BalanceBox(FloatSpinBox):
    """A number of at least 0, or, one step below it, None for what suits the image.

    Whoever deletes the number has None, too.
    """

    def __init__(self) -> None:
        super().__init__(min=-STEP, max=LARGEST_BALANCE, step=STEP, nullable=True)
        self.native.setSpecialValueText(AUTOMATIC)
        self.set_value(None)
        self._typing = _Typing(self.native)

    def get_value(self) -> float | None:  # type: ignore[override]
        """Return the number, or None."""
        return _or_none(super().get_value())

    def set_value(self, value: float | None) -> None:
        """Show a number, or that it is left to the image."""
        if value is not None and value < 0:
            raise ValueError(f"balance={value}: give a number of at least 0, or None.")
        super().set_value(-STEP if value is None else value)

    def _on_value_change(self, value: Any = None) -> None:
        super()._on_value_change(_or_none(value))


class _Typing(QObject):
    """Lets a number be typed over the word, and the word come back."""

    def __init__(self, box: QDoubleSpinBox) -> None:
        super().__init__(box)
        self._box = box
        self._line = box.lineEdit()
        self._line.installEventFilter(self)
        self._line.textEdited.connect(self._edited)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Select the word as a whole where it is clicked."""
        released = event is not None and event.type() == QEvent.Type.MouseButtonRelease
        if released and self._line.text() == AUTOMATIC:
            self._line.selectAll()
        return bool(super().eventFilter(watched, event))

    def _edited(self, text: str) -> None:
        if not text:
            self._box.setValue(self._box.minimum())
            self._line.selectAll()


def _or_none(value: float | None) -> float | None:
    return None if value is None or value < 0 else value
