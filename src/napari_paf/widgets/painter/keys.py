"""The keys of the painter: what the manifest, the widget and the documents list."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakMethod

if TYPE_CHECKING:
    from napari import Viewer


class Key(NamedTuple):
    """A key of the keyboard, and what it does.

    Attributes
    ----------
    key : str
        As the manifest and napari write it.
    command : str
        Its command in the manifest.
    method : str
        Of the widget.
    does : str
        For people.
    """

    key: str
    command: str
    method: str
    does: str


KEYS = (
    Key("S", "napari-paf.painter.toggle", "toggle", "start or stop painting"),
    Key(".", "napari-paf.painter.finer", "finer", "finer superpixels"),
    Key(",", "napari-paf.painter.coarser", "coarser", "coarser superpixels"),
)
MOUSE = (
    ("Click or drag", "paint"),
    ("Ctrl + click or drag", "erase"),
    ("Shift + wheel", "finer or coarser"),
)
_NAMES = {".": " (full stop)", ",": " (comma)"}  # they are hard to see
NAPARIS_OWN = (
    ("Ctrl + Z", "undo"),
    ("Ctrl + Shift + Z", "redo"),
    ("M", "a new label"),
)


def listed() -> tuple[tuple[str, str], ...]:
    """Return all of them and what they do, for the widget."""
    keys = tuple((f"{key.key}{_NAMES.get(key.key, '')}", key.does) for key in KEYS)
    return MOUSE + keys + NAPARIS_OWN


class Bound:
    """Keys of a viewer that call a widget's methods.

    napari reads no keys from manifests yet, so the widget binds them. Keys that
    the user has bound to something else are left alone.
    """

    def __init__(self, viewer: Viewer, widget: Any) -> None:
        self._viewer = viewer
        self._keys = []
        for key in KEYS:
            try:
                viewer.bind_key(key.key, relay(getattr(widget, key.method)))
            except ValueError:
                continue
            self._keys.append(key.key)

    def release(self) -> None:
        """Give the keys back."""
        for key in self._keys:
            self._viewer.bind_key(key, None)
        self._keys = []


def relay(method: Callable[[], None]) -> Callable[[Any], None]:
    """Return a function for napari, which outlives the widget."""
    weak = WeakMethod(method)

    def call(viewer: Any) -> None:
        method = weak()
        if method is not None:
            method()

    return call
