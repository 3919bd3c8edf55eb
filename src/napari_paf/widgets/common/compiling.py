"""Let napari quit while Numba compiles, which takes ten seconds the first time."""

from __future__ import annotations

import sys
import threading
from typing import Any, ClassVar


class CompilingStopped(Exception):
    """Raised in the middle of compiling, since napari quits."""


class CompilerStop:
    """Ends what Numba compiles beside the window, between two of its passes.

    Each worker has one. Whose compiling it is cannot be told, for jobs have threads
    of their own: it ends once all the workers that are at work have pressed theirs.
    """

    _at_work: ClassVar[set[CompilerStop]] = set()
    _lock: ClassVar = threading.Lock()
    _listener: ClassVar[Any] = None

    def __init__(self) -> None:
        self._pressed = False

    def __enter__(self) -> None:
        with self._lock:
            self._at_work.add(self)

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._at_work.discard(self)
            if CompilerStop._listener is not None and not self._at_work:
                # A Python session can go on without napari.
                from numba.core import event

                event.unregister("numba:run_pass", CompilerStop._listener)
                CompilerStop._listener = None

    def press(self) -> None:
        """Stop what is compiled as long as the worker is at work."""
        self._pressed = True
        if "numba" not in sys.modules:
            return  # importing it would take longer than it takes to quit
        from numba.core import event

        class Listener(event.Listener):
            def on_start(self, event: Any) -> None:
                CompilerStop._check()

            def on_end(self, event: Any) -> None:
                pass

        with self._lock:
            if CompilerStop._listener is None and self in self._at_work:
                CompilerStop._listener = Listener()
                event.register("numba:run_pass", CompilerStop._listener)

    @classmethod
    def _check(cls) -> None:
        if threading.current_thread() is threading.main_thread():
            return
        with cls._lock:
            stop = bool(cls._at_work) and all(one._pressed for one in cls._at_work)
        if stop:
            raise CompilingStopped
