"""Boxes to choose a layer or a model from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from napari.layers import Image
from qtpy.QtWidgets import QFileDialog

from napari_paf.widgets.common.elide import Elider
from napari_paf.widgets.common.layers import unwrap
from napari_paf.widgets.common.records import labels_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari import Viewer

_BROWSE = "\u2026"  # stands for the entry that opens a file dialog
_MODEL_NAMES = {
    "default": "Default network",
    "gradient": "Colour differences",
    "": "Nothing (a new network)",
}


class ChoiceBox(ComboBox):
    """Combo box whose choices can be replaced while the value stays.

    ``changed`` is emitted only if the value is another one afterwards, not
    when only the names or the order of the choices changed. The middle of names that
    are too long is left out.
    """

    def __init__(self, *, nullable: bool = False) -> None:
        self._offered: list[tuple[str, Any]] = []
        # magicgui asks again whenever the widget gets another parent.
        super().__init__(choices=lambda _: self._offered, nullable=nullable)
        Elider(self.native)

    def set_choices(self, choices: Iterable[tuple[str, Any]], fallback: Any) -> None:
        """Offer other choices; take `fallback` if the value is not among them."""
        self._offered = choices = list(choices)
        before = self.value if len(self.choices) else None
        kept = before if any(_same(data, before) for _, data in choices) else fallback
        with self.changed.blocked():
            # Emptied first: choices that were renamed keep their place.
            self.native.clear()
            self.reset_choices()
            if choices:
                self.value = kept
        after = self.value if choices else None
        if not _same(after, before):
            self.changed.emit(after)


def _same(one: Any, other: Any) -> bool:
    """Whether two choices are the same layer, model or name."""
    return one is other or (isinstance(one, str | Path) and one == other)


class ImageBox(ChoiceBox):
    """The image layers of a viewer; follows the active one until one is picked.

    Picking means choosing in the box or setting ``value``. When the picked
    layer is removed, the box follows the active layer again.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._own_doing = False
        self._picked = False
        super().__init__()
        self.changed.connect(self._note_pick)

    def refresh(self) -> None:
        """Offer the layers that there are now; take the active one if following."""
        images = [
            unwrap(layer)
            for layer in reversed(list(self._viewer.layers))
            if isinstance(unwrap(layer), Image)
        ]
        if not any(layer is self.value for layer in images):
            self._picked = False
        active = unwrap(self._viewer.layers.selection.active)
        if not isinstance(active, Image):
            active = None
        self._own_doing = True
        try:
            fallback = active or (images[0] if images else None)
            self.set_choices(((layer.name, layer) for layer in images), fallback)
            if active is not None and not self._picked:
                self.value = active
        finally:
            self._own_doing = False

    def _note_pick(self) -> None:
        if not self._own_doing:
            self._picked = True


class MaskBox(ChoiceBox):
    """The labels layers of a viewer, and none of them."""

    null_string = "None (whole image)"

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        super().__init__(nullable=True)

    def refresh(self) -> None:
        """Offer the layers that there are now."""
        layers = labels_in(self._viewer)
        self.set_choices(((layer.name, layer) for layer in layers), None)


class ModelBox(ChoiceBox):
    """The models by name, and files with models.

    ``value`` takes what the ``model`` argument of ``superpixels`` takes.
    """

    _also: tuple[str, ...] = ("gradient",)

    def __init__(self) -> None:
        self._others: list[Any] = []
        self._names: tuple[str, ...] = ("default",)
        self._last: Any = "default"
        super().__init__()
        self._rebuild()
        self.changed.connect(self._browse)

    @property
    def value(self) -> Any:
        """The chosen model: a name, a path or a model itself."""
        return ComboBox.value.fget(self)  # type: ignore[attr-defined]

    @value.setter
    def value(self, model: Any) -> None:
        known = any(_same(data, model) for data in self.choices)
        if not known and (isinstance(model, str | Path) or hasattr(model, "network")):
            self._others.append(model)
            self._rebuild()
        ComboBox.value.fset(self, model)  # type: ignore[attr-defined]

    def set_names(self, names: tuple[str, ...]) -> None:
        """Offer the models that come with the package."""
        self._names = names
        self._rebuild()

    def _rebuild(self) -> None:
        names = [*self._names, *self._also]
        choices: list[tuple[str, Any]] = [
            (_MODEL_NAMES.get(name, name), name) for name in names
        ]
        choices += [
            (_model_name(model), model) for model in self._others if model not in names
        ]
        choices.append(("From a file \u2026", _BROWSE))
        self.set_choices(choices, "default")

    def _browse(self, model: Any) -> None:
        if model != _BROWSE:
            self._last = model
            return
        path, _ = QFileDialog.getOpenFileName(
            self.native, "Model file", "", "Models (*.safetensors)"
        )
        self.value = path or self._last


class InitBox(ModelBox):
    """What a training can start from; ``value`` is None for a new network."""

    _also = ("",)

    @property
    def value(self) -> Any:
        """The chosen model: a name, a path, a model itself, or None."""
        return ModelBox.value.fget(self) or None  # type: ignore[attr-defined]

    @value.setter
    def value(self, model: Any) -> None:
        ModelBox.value.fset(self, model or "")  # type: ignore[attr-defined]

    def set_choices(self, choices: Iterable[tuple[str, Any]], fallback: Any) -> None:
        """Offer other choices; a new network stays one."""
        new = len(self.choices) and self.value is None
        super().set_choices(choices, "" if new else fallback)


def _model_name(model: Any) -> str:
    if isinstance(model, str | Path):
        return Path(model).name
    return str(model.name)
