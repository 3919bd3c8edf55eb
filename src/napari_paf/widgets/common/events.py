"""What ties a widget to the world: event connections and a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakMethod


class _Relay:
    """Stands between an emitter and a method of a widget.

    Emitters compare their callbacks to find one; a widget that Qt has deleted
    cannot be compared.
    """

    def __init__(self, method: Callable[..., None]) -> None:
        self._method = WeakMethod(method)

    def call(self, event: Any) -> None:
        method = self._method()
        if method is not None:
            method(event)


class Connections:
    """Connections between napari's emitters and a widget.

    napari's layers and viewers can outlive a widget; what stays connected
    would call into a deleted Qt object.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[Any, _Relay]] = []

    def connect(self, emitter: Any, method: Callable[..., None]) -> None:
        """Connect a bound method, which gets the event, to `emitter`."""
        relay = _Relay(method)
        emitter.connect(relay.call)
        self._pairs.append((emitter, relay))

    def disconnect(self) -> None:
        """Take back all connections made here."""
        for emitter, relay in self._pairs:
            emitter.disconnect(relay.call)
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
        self.names = Connections()
        self.layers = Connections()
        self.region = Connections()
        self.run: Any = None
        self.also: list[Callable[[], None]] = []
        """What else is to be undone, without Qt."""

    def cut(self) -> None:
        """Disconnect from napari and end the run at its next report."""
        self.viewer.disconnect()
        self.names.disconnect()
        self.layers.disconnect()
        self.region.disconnect()
        if self.run is not None:
            self.run.abandon()
            self.run = None
        for undo in self.also:
            undo()
