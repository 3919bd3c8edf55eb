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
        The file to write; replaced if it exists. Of a link, the file that it leads to.

    Yields
    ------
    temporary : Path
        Where to write. Has the same ending as `path`.

    Raises
    ------
    OSError
        If the folder is not there, or `path` is one, or a device. What the system
        says of the temporary file is said of `path`.

    Examples
    --------
    >>> with replacing("notes.txt") as temporary:
    ...     _ = temporary.write_text("all of it")
    >>> Path("notes.txt").read_text()
    'all of it'
    """
    path = checked_target(path)
    temporary = _temporary(path.parent, path.suffix)
    try:
        yield temporary
        # Windows does not flush what is open for reading only.
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())  # the name must not arrive before the content
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None or str(error.filename) != str(temporary):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def checked_target(path: str | os.PathLike[str]) -> Path:
    """Return the file that is replaced when `path` is written, or raise.

    Parameters
    ----------
    path : path-like
        A file that is there or not, or a link to one.

    Returns
    -------
    target : Path
        The same, or what the link leads to.

    Raises
    ------
    OSError
        If its folder is not there, or it is a folder, or no ordinary file.

    Examples
    --------
    >>> checked_target("notes.txt").name
    'notes.txt'
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of a file.")
    if path.exists() and not path.is_file():
        raise OSError(f"{path} is no ordinary file: give another name.")
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {target.parent}; make it.")
    return target


def can_write_into(folder: Path) -> bool:
    """Return whether files can be made in a folder.

    Permissions do not tell all: of some file systems, nobody may write to them.
    """
    if not os.access(folder, os.W_OK):
        return False
    probe = _temporary(folder)
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError:
        return False
    return True


def _temporary(folder: Path, suffix: str = "") -> Path:
    """Return a path that is not in use, hidden, and shorter than most names."""
    return folder / f".{os.getpid()}-{os.urandom(4).hex()}.part{suffix}"
