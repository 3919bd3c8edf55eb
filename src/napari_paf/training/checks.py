"""Checks of the arguments of a training, before any work."""

from __future__ import annotations

import math
import numbers
import os
import tempfile
from pathlib import Path
from typing import Any


def check_integer(key: str, value: Any, least: int, most: int | None = None) -> None:
    """Raise unless an argument is an integer in a range."""
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Integral)
        or int(value) < least
        or (most is not None and int(value) > most)
    ):
        wanted = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{key}={value!r}: give an integer {wanted}.")


def check_over_zero(key: str, number: Any) -> None:
    """Raise unless an argument is a finite number over 0."""
    if isinstance(number, bool) or not isinstance(number, numbers.Real):
        raise TypeError(f"{key}={number!r}: give a number over 0.")
    if not 0 < float(number) < math.inf:
        raise ValueError(f"{key}={number}: give a number over 0.")


def check_callable(key: str, function: Any) -> None:
    """Raise unless an argument is a function or None."""
    if function is not None and not callable(function):
        raise TypeError(f"{key}={function!r}: give a function, or None.")


def check_checkpoint(checkpoint: Any) -> None:
    """Raise unless an argument is None, or a path where a file can be written.

    Parameters
    ----------
    checkpoint : path-like or None

    Raises
    ------
    TypeError, ValueError
        If not; the message says what to do.
    """
    if checkpoint is None:
        return
    if not isinstance(checkpoint, str | os.PathLike):
        raise TypeError(f"checkpoint={checkpoint!r}: give the path of a file, or None.")
    path, where = Path(checkpoint), f"checkpoint={str(checkpoint)!r}"
    if os.path.isdir(path):
        raise ValueError(f"{where} is a folder; give the name of a file.")
    if not os.path.isdir(path.parent):
        raise ValueError(
            f"{where}: there is no folder {str(path.parent)!r}; make it, or choose "
            "another."
        )
    try:
        # Only a trial shows whether a place is full, or refuses files of this name.
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.stem}.", suffix=f".part{path.suffix}"
        ) as trial:
            trial.write(b"trial")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"{where} cannot be written ({reason}); choose another place."
        ) from None
