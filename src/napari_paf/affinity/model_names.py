"""Where models are found by name: those of the package, and those of the user.

A user's models are the model files in one folder, so that they are there again
after a restart, and in every program that uses this package. The name of a model
is the name of its file. Names can be looked up without loading PyTorch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import platformdirs

SUFFIX = ".safetensors"
FOLDER_VARIABLE = "NAPARI_PAF_MODELS"
"""Environment variable with the folder of the user's models."""

METHODS = (
    "gradient",
    "slic",
    "slic-zero",
    "compact-watershed",
    "felzenszwalb",
    "lsc",
    "seeds",
)
"""What ``napari-paf evaluate`` compares besides models, whether it can run here or not.

There a model of such a name could not be meant.
"""

Folder = str | os.PathLike[str] | None


def check_no_method(name: str) -> None:
    """Raise if a name, in capitals or not, is that of a method without a model.

    Parameters
    ----------
    name : str

    Raises
    ------
    ValueError
        If it is one of `METHODS`.

    Examples
    --------
    >>> check_no_method("my seeds")
    """
    if name.casefold() in METHODS:
        raise ValueError(
            f"name={name!r} is a method that napari-paf evaluate compares models with; "
            "choose another name."
        )


def models_folder(folder: Folder = None) -> Path:
    """Return the folder of the user's models, which need not be there yet.

    Parameters
    ----------
    folder : path-like, optional
        Default: the environment variable ``NAPARI_PAF_MODELS``, or ``models`` in
        the folder that the operating system has for the data of programs.

    Returns
    -------
    folder : Path

    Examples
    --------
    >>> models_folder("my models").name
    'my models'
    """
    if folder is None:
        folder = os.environ.get(FOLDER_VARIABLE) or None
    if folder is None:
        data = platformdirs.user_data_path("napari-paf", appauthor=False)
        return data / "models"
    return Path(folder).expanduser()


def bundled_models() -> dict[str, Any]:
    """Return the files of the models in the package by name, "default" first.

    Examples
    --------
    >>> next(iter(bundled_models()))
    'default'
    """
    weights = resources.files("napari_paf.affinity").joinpath("weights")
    found = {
        entry.name.removesuffix(SUFFIX): entry
        for entry in weights.iterdir()
        if entry.name.endswith(SUFFIX)
    }
    return dict(sorted(found.items(), key=lambda item: (item[0] != "default", item)))


def user_models(folder: Folder = None) -> dict[str, Path]:
    """Return the user's model files by name, in alphabetical order.

    Files are not opened. One with the name of a model of the package is left
    out: that name means the package's.

    Parameters
    ----------
    folder : path-like, optional
        As in `models_folder`.

    Examples
    --------
    >>> user_models("no such folder")
    {}
    """
    try:
        entries = list(models_folder(folder).iterdir())
    except OSError:  # no folder: no models
        return {}
    hidden = {name.casefold() for name in bundled_models()}
    files = [
        entry
        for entry in entries
        if entry.name.endswith(SUFFIX)
        and not entry.name.startswith(".")
        and entry.stem.casefold() not in hidden
        and not entry.is_dir()
    ]
    return {entry.stem: entry for entry in sorted(files, key=_alphabetically)}


def find_model(name: str, folder: Folder = None) -> Any:
    """Return the file of a model of the package or of the user.

    Parameters
    ----------
    name : str
    folder : path-like, optional
        As in `models_folder`.

    Returns
    -------
    file : Path or importlib.resources.abc.Traversable

    Raises
    ------
    ValueError
        If there is none of this name; the message lists those that are there.
    """
    known = user_models(folder) | bundled_models()
    if name not in known:
        names = [*bundled_models(), *user_models(folder)]
        raise ValueError(
            f"model={name!r}: there is no model of this name; choose one of "
            f"{', '.join(names)}, or give the path of a {SUFFIX} file."
        )
    return known[name]


@contextmanager
def model_file_of(
    name_or_path: str | os.PathLike[str], folder: Folder = None
) -> Iterator[tuple[Path, str]]:
    """Give the file of a model while the context lasts, and its name if it has one.

    Parameters
    ----------
    name_or_path : str or path-like
        "cells" is a name, "cells.safetensors" and "./cells" are paths.
    folder : path-like, optional
        As in `models_folder`.

    Yields
    ------
    file : Path
    name : str
        Empty for a path.

    Raises
    ------
    TypeError
        If `name_or_path` is neither text nor a path.
    ValueError
        If there is no model of this name.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(
            f"name_or_path={name_or_path!r}: give the name of a model or the path of a "
            "model file."
        )
    path = Path(name_or_path)
    if not path.name:  # no text at all, or a root
        find_model(str(name_or_path), folder)
    known = isinstance(name_or_path, str) and (
        name_or_path in bundled_models() or name_or_path in user_models(folder)
    )
    if known or (not path.suffix and not os.path.lexists(path)):
        with resources.as_file(find_model(str(name_or_path), folder)) as file:
            yield file, str(name_or_path)
    else:
        yield path, ""


def _alphabetically(path: Path) -> tuple[str, str]:
    return path.stem.casefold(), path.stem
