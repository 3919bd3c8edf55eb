"""Progress and cancelling: one callback for both.

Long functions take ``progress``, a callable that is called from the calling
thread as ``progress(fraction, description)`` with `fraction` rising from 0 to
1 and `description` in plain words. To cancel, raise from it: the exception
ends the work and reaches the caller as it is.
"""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]


def silent(fraction: float, description: str) -> None:
    """Report to nobody."""


def part(progress: Progress | None, start: float, stop: float) -> Progress:
    """Return a callback for one step that covers `start` to `stop` of the whole."""
    if progress is None:
        return silent
    if not callable(progress):
        raise TypeError(
            f"progress={progress!r}: give a function of a fraction and a description."
        )

    def report(fraction: float, description: str) -> None:
        progress(start + (stop - start) * fraction, description)

    return report
