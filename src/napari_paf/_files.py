"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`, and move what was written there onto it.

    If the block raises, or the process is killed, the old file stays as it was.

    Parameters
    ----------
    path : path-like
        The file to write; replaced if it exists.

    Yields
    ------
    temporary : Path
        Where to write. Has the same ending as `path`.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If the folder is not there, or `path` is one.

    Examples
    --------
    >>> with replacing("notes.txt") as temporary:
    ...     _ = temporary.write_text("all of it")
    >>> Path("notes.txt").read_text()
    'all of it'
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it.")
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())  # the name must not arrive before the content
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
