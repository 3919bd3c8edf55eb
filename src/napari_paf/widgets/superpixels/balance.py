"""How much equal sizes matter: a number, or left to the image."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import FloatSpinBox

STEP = 0.05


class BalanceBox(FloatSpinBox):
    """A number of at least 0, or, one step below it, None for what suits the image."""

    def __init__(self) -> None:
        super().__init__(min=-STEP, max=1000, step=STEP, nullable=True)
        self.native.setSpecialValueText("Automatic")
        self.set_value(None)

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


def _or_none(value: float | None) -> float | None:
    return None if value is None or value < 0 else value
