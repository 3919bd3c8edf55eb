"""What ties a widget to the world: event connections and a running worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Connections:
    """Connections between napari's emitters and a widget.

    napari's layers and viewers can outlive a widget; what stays connected
    would call into a deleted Qt object.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[Any, Callable[..., None]]] = []

    def connect(self, emitter: Any, callback: Callable[..., None]) -> None:
        """Connect `callback` to `emitter`."""
        emitter.connect(callback)
        self._pairs.append((emitter, callback))

    def disconnect(self) -> None:
        """Take back all connections made here."""
        for emitter, callback in self._pairs:
            emitter.disconnect(callback)
        self._pairs.clear()

    def __len__(self) -> int:
        return len(self._pairs)


class Ties:
    """All that must be cut when a widget goes away, however it goes.

    Holds no reference to the widget itself, so it can be cut from the Qt
    signal ``destroyed``, when the widget cannot be used any more.
    """

    def __init__(self) -> None:
        self.viewer = Connections()
        self.layers = Connections()
        self.worker: Any = None

    def cut(self) -> None:
        """Disconnect from napari and end the worker at its next report."""
        self.viewer.disconnect()
        self.layers.disconnect()
        if self.worker is not None:
            self.worker.quit()
            self.worker = None
