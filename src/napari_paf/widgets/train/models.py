"""Rename, export, import and delete the user's models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QInputDialog,
    QMessageBox,
    QPushButton,
    QWidget,
)

from napari_paf.affinity.model_names import SUFFIX, user_models
from napari_paf.affinity.model_store import (
    delete_user_model,
    export_model,
    import_user_model,
    rename_user_model,
)
from napari_paf.widgets.common import warmup
from napari_paf.widgets.common.choices import ChoiceBox
from napari_paf.widgets.train.texts import TOOLTIPS

if TYPE_CHECKING:
    from collections.abc import Callable

_FILES = f"Models (*{SUFFIX})"


class OwnModels(QWidget):
    """The user's models, and what can be done with them.

    Every button asks and calls the method of its name, which scripts can call.
    """

    def __init__(self) -> None:
        super().__init__()
        self.model = ChoiceBox()
        self.model.native.setAccessibleName("Your models")
        self.model.tooltip = TOOLTIPS["own"]
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.model.native, 0, 0, 1, 2)
        self.buttons: dict[str, QPushButton] = {}
        asks: dict[str, Callable[[], None]] = {
            "rename": self._ask_rename,
            "export": self._ask_export,
            "import": self._ask_import,
            "delete": self._ask_delete,
        }
        for number, (name, ask) in enumerate(asks.items()):
            button = QPushButton(f"{name.capitalize()} \u2026")
            button.clicked.connect(lambda _=False, ask=ask: self._try(ask))
            grid.addWidget(button, 1 + number // 2, number % 2)
            self.buttons[name] = button
        self.refresh()

    def refresh(self, backends: Any = None) -> None:
        """Offer the models that there are now."""
        names = list(user_models())
        self.model.set_choices(
            ((name, name) for name in names), names[0] if names else None
        )
        self.model.native.setEnabled(bool(names))
        for name, button in self.buttons.items():
            there = bool(names) or name == "import"
            button.setEnabled(there)
            button.setToolTip(
                TOOLTIPS[name] if there else "There are no models of yours yet."
            )

    def rename(self, old: str, new: str) -> None:
        """Give a model another name."""
        rename_user_model(old, new)
        _changed(self)
        self.model.value = new

    def export(self, name: str, path: str) -> None:
        """Write a model to a file."""
        # The dialog has asked whether to replace a file.
        written = export_model(name, path, overwrite=True)
        show_info(f"The model \u201c{name}\u201d is in {written}.")

    def import_(self, path: str, name: str | None = None) -> None:
        """Keep a model from a file."""
        added = import_user_model(path, name)
        _changed(self)
        self.model.value = added

    def delete(self, name: str) -> None:
        """Delete a model."""
        delete_user_model(name)
        _changed(self)

    def _try(self, ask: Callable[[], None]) -> None:
        try:
            ask()
        except (OSError, TypeError, ValueError) as error:
            show_error(str(error))
            _changed(self)  # another program may have changed the folder

    def _ask_rename(self) -> None:
        old = self.model.value
        new, said = QInputDialog.getText(
            self, "Rename the model", f"New name of \u201c{old}\u201d:", text=old
        )
        if said and new != old:
            self.rename(old, new)

    def _ask_export(self) -> None:
        name = self.model.value
        path, _ = QFileDialog.getSaveFileName(
            self, "Export the model", f"{name}{SUFFIX}", _FILES
        )
        if path:
            self.export(name, path if path.endswith(SUFFIX) else f"{path}{SUFFIX}")

    def _ask_import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import a model", "", _FILES)
        if path:
            self.import_(path)

    def _ask_delete(self) -> None:
        name = self.model.value
        answer = QMessageBox.question(
            self,
            "Delete the model",
            f"Delete the model \u201c{name}\u201d for good?",
        )
        if answer == QMessageBox.StandardButton.Yes:
            self.delete(name)


def _changed(models: OwnModels) -> None:
    """Tell all widgets, also where nobody has asked for it."""
    warmup.models_changed()
    models.refresh()
