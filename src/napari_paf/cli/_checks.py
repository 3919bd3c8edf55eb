"""Checks of files that a command is going to write, before it does any work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def check_place(option: str, path: Path) -> None:
    """Raise if no file can be at `path`: its folder is missing, or it is a folder."""
    if path.is_dir():
        raise ValueError(
            f"{option}={str(path)!r} is a folder; give the name of a file."
        )
    if not path.parent.is_dir():
        raise ValueError(
            f"{option}={str(path)!r}: there is no folder {str(path.parent)!r}; make "
            "it, or choose another."
        )


def check_free(option: str, path: Path, *, overwrite: bool) -> None:
    """Raise if a file can't be at `path`, or would replace one unasked."""
    check_place(option, path)
    if path.exists() and not overwrite:
        raise ValueError(
            f"{option}={str(path)!r} is there already; choose another name, or give "
            "--overwrite."
        )


def check_no_input(option: str, path: Path, inputs: Iterable[Path]) -> None:
    """Raise if writing a file would replace one that is read."""
    if path.exists() and any(path.samefile(source) for source in inputs):
        raise ValueError(
            f"{option}={str(path)!r} is a file to read from; choose another name."
        )


def check_folder(option: str, folder: Path) -> None:
    """Raise if `folder` neither is a folder nor can be made one."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if there is not None and not there.is_dir():
        raise ValueError(
            f"{option}={str(folder)!r}: {str(there)!r} is a file; give the name of a "
            "folder."
        )
