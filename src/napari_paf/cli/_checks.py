"""Checks of what a command is given, before it does any work."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from napari_paf._files import can_write_into, checked_target


def check_place(option: str, path: Path) -> None:
    """Raise if no file can be written at `path`."""
    try:
        folder = checked_target(path).parent
    except OSError as error:
        said = str(error).removeprefix(f"{path}")
        if error.strerror is not None:  # in the system's words
            said = f" cannot be written ({error.strerror}); choose another name."
        raise ValueError(f"{option}={str(path)!r}{said}") from None
    _check_writable(option, path, folder)


def check_free(option: str, path: Path, *, overwrite: bool) -> None:
    """Raise if a file can't be at `path`, or would replace one unasked."""
    check_place(option, path)
    if path.exists() and not overwrite:
        raise ValueError(
            f"{option}={str(path)!r} is there already; choose another name, or give "
            "--overwrite."
        )


def check_free_name(name: str, *, overwrite: bool) -> None:
    """Raise if a model can't be kept under a name, or would replace one unasked."""
    from napari_paf.affinity import model_store
    from napari_paf.affinity.model_names import (
        FOLDER_VARIABLE,
        models_folder,
        user_models,
    )

    if name in user_models() and not overwrite:
        raise ValueError(
            f"name={name!r} is taken by another of your models; choose another name, "
            "or give --overwrite."
        )
    model_store.check_free_name(name, overwrite=overwrite)
    check_folder(FOLDER_VARIABLE, models_folder())


def check_no_input(option: str, path: Path, inputs: Iterable[Path]) -> None:
    """Raise if writing a file would replace one that is read."""
    if path.exists() and any(path.samefile(source) for source in inputs):
        raise ValueError(
            f"{option}={str(path)!r} is a file to read from; choose another name."
        )


def check_folder(option: str, folder: Path) -> None:
    """Raise if no files can be written into `folder`, once it is made."""
    places = (folder, *folder.parents)
    there = next((path for path in places if os.path.lexists(path)), Path())
    if not there.is_dir():
        raise ValueError(
            f"{option}={str(folder)!r}: {str(there)!r} is a file; give the name of a "
            "folder."
        )
    _check_writable(option, folder, there)


def _check_writable(option: str, path: Path, folder: Path) -> None:
    if not can_write_into(folder):
        raise ValueError(
            f"{option}={str(path)!r}: nothing can be written into "
            f"{str(folder.absolute())!r}; choose another place."
        )


def check_numbers(argument: str, text: str) -> tuple[float, ...]:
    """Return the numbers that a text lists, or raise."""
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise ValueError(
            f"{argument}={text!r}: give numbers with commas between, such as 3,1,1."
        ) from None
