"""The user's models: kept, imported, exported, renamed and deleted.

PyTorch is loaded by what reads or writes a model, not by what names one.
"""

from __future__ import annotations

import os
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from napari_paf.affinity.model_names import (
    METHODS,
    SUFFIX,
    Folder,
    bundled_models,
    check_no_method,
    find_model,
    models_folder,
    user_models,
)

if TYPE_CHECKING:
    from napari_paf.affinity.model import AffinityModel

LONGEST_NAME = 100
# File systems allow 255 bytes, of which the ending and a temporary file take some.
_MOST_BYTES = 220
RESERVED = frozenset(
    ["gradient", "con", "prn", "aux", "nul"]
    + [f"{port}{n}" for port in ("com", "lpt") for n in "0123456789\u00b9\u00b2\u00b3"]
)
"""Names that mean something else to us, or to Windows."""


def save_user_model(
    model: AffinityModel,
    name: str,
    *,
    folder: Folder = None,
    overwrite: bool = False,
) -> Path:
    """Keep a model under a name, for this program and all others.

    Parameters
    ----------
    model : AffinityModel
        Left as it is.
    name : str
        Letters, digits, spaces and ``-_.``; as a file may be called everywhere.
    folder : path-like, optional
        As in `models_folder`. Made if it is not there.
    overwrite : bool, default: False
        Replace a model of the user that has this name.

    Returns
    -------
    path : Path
        The file that was written.

    Raises
    ------
    TypeError, ValueError
        If `name` cannot be a name, or is taken.

    Examples
    --------
    >>> from napari_paf import load_model
    >>> path = save_user_model(load_model("default"), "my cells", folder="models")
    >>> path.name, list(user_models("models"))
    ('my cells.safetensors', ['my cells'])
    """
    from napari_paf.affinity.model import AffinityModel
    from napari_paf.affinity.model_file import write_model_file

    if not isinstance(model, AffinityModel):
        raise TypeError(f"model={model!r}: give an AffinityModel, as of load_model.")
    path = _free_path(name, folder, overwrite=overwrite)
    card = {"summary": model.summary, "licence": model.licence, "name": name}
    _make_folder(path.parent)
    write_model_file(path, model.network, model.config, card)
    return path


def import_user_model(
    path: str | os.PathLike[str],
    name: str | None = None,
    *,
    folder: Folder = None,
    overwrite: bool = False,
) -> str:
    """Keep a model that somebody else has exported, after checking its file.

    Parameters
    ----------
    path : path-like
        A model file.
    name : str, optional
        Default: the name of the file.
    folder, overwrite
        As in `save_user_model`.

    Returns
    -------
    name : str

    Raises
    ------
    TypeError, ValueError
        If the file is no good one, or the name cannot be a name, or is taken.
    """
    from napari_paf.affinity.model_file import read_model_file, write_model_file

    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={path!r}: give the path of a model file.")
    name = Path(path).stem if name is None else name
    target = _free_path(name, folder, overwrite=overwrite)
    network, config, card = read_model_file(path)
    _make_folder(target.parent)
    write_model_file(target, network, config, card | {"name": name})
    return name


def export_model(
    name: str,
    path: str | os.PathLike[str],
    *,
    folder: Folder = None,
    overwrite: bool = False,
) -> Path:
    """Write a model of the package or of the user to a file, to be given away.

    Parameters
    ----------
    name : str
    path : path-like
        The file to write, or a folder to write ``name.safetensors`` into.
    folder : path-like, optional
        As in `models_folder`.
    overwrite : bool, default: False
        Replace a file that is there.

    Returns
    -------
    path : Path
        The file that was written.

    Raises
    ------
    ValueError
        If there is no such model, the file is there already, or its name does not
        end in ``.safetensors``.
    """
    from napari_paf.affinity.model_file import read_model_file, write_model_file

    source = find_model(name, folder)
    path = Path(path)
    if path.is_dir():
        path /= f"{name}{SUFFIX}"
    if path.exists() and not overwrite:
        raise ValueError(f"path={str(path)!r} is there already; choose another one.")
    with resources.as_file(source) as file:
        network, config, card = read_model_file(file)
    write_model_file(path, network, config, card | {"name": name})
    return path


def rename_user_model(old: str, new: str, *, folder: Folder = None) -> Path:
    """Give a model of the user another name.

    Parameters
    ----------
    old, new : str
    folder : path-like, optional
        As in `models_folder`.

    Returns
    -------
    path : Path
        Its file now.

    Raises
    ------
    TypeError, ValueError
        If there is no user's model `old`, or `new` cannot be a name, or is taken.
    """
    source = _own_path(old, folder, "renamed")
    target = _free_path(new, folder, overwrite=False, besides=old)
    source.rename(target)
    return target


def delete_user_model(name: str, *, folder: Folder = None) -> None:
    """Delete a model of the user.

    Parameters
    ----------
    name : str
    folder : path-like, optional
        As in `models_folder`.

    Raises
    ------
    ValueError
        If there is no user's model of this name.
    """
    _own_path(name, folder, "deleted").unlink()


def check_free_name(
    name: str, *, folder: Folder = None, overwrite: bool = False
) -> None:
    """Raise if a new model of the user cannot have a name.

    Parameters
    ----------
    name : str
    folder, overwrite
        As in `save_user_model`.

    Raises
    ------
    TypeError, ValueError
        If `name` cannot be a name, or is taken.
    """
    _free_path(name, folder, overwrite=overwrite)


def free_name(wish: str, *, folder: Folder = None) -> str:
    """Return a name for a new model that is as near as possible to a wish.

    Parameters
    ----------
    wish : str
        Any text, such as the name of an image.
    folder : path-like, optional
        As in `models_folder`.

    Returns
    -------
    name : str

    Examples
    --------
    >>> free_name("cells [day 1]", folder="models")
    'cells day 1'
    >>> free_name("default", folder="models")
    'default 2'
    """
    kept = "".join(
        letter if letter.isalnum() or letter in "-_" else " " for letter in wish
    )
    stem = " ".join(kept.split()).strip("-_ ")[: LONGEST_NAME - 10]
    stem = stem.encode()[: _MOST_BYTES - 10].decode(errors="ignore").strip("-_ ")
    if not stem or stem.casefold() in RESERVED.union(METHODS):
        stem = f"model {stem}".strip()
    names = {name.casefold() for name in [*bundled_models(), *user_models(folder)]}
    counted = re.fullmatch(r"(.+) (\d{1,6})", stem)
    start, number = (counted[1], int(counted[2])) if counted else (stem, 1)
    name = stem
    while name.casefold() in names:
        number += 1
        name = f"{start} {number}"
    return name


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(
            f"folder={str(path)!r} is a file, or lies in one: give a folder for models."
        ) from None


def _own_path(name: str, folder: Folder, done: str) -> Path:
    """Return the file of a user's model that is about to be changed."""
    if name in bundled_models():
        raise ValueError(
            f"name={name!r} is a model of the package, which cannot be {done}."
        )
    own = user_models(folder)
    if name not in own:
        there = f"choose one of {', '.join(own)}" if own else "there are none yet"
        raise ValueError(f"name={name!r} is none of your models: {there}.")
    return own[name]


def _free_path(
    name: str, folder: Folder, *, overwrite: bool, besides: str = ""
) -> Path:
    """Return where a model of this name goes, or raise if it must not.

    `besides` is a model of the user whose name is about to become free.
    """
    if not isinstance(name, str):
        raise TypeError(f"name={name!r}: give text.")
    check_no_method(name)
    if not (
        0 < len(name) <= LONGEST_NAME
        and all(letter.isalnum() or letter in "-_. " for letter in name)
        and name[0] not in "-. "
        and name[-1] not in ". "
        and name.casefold().split(".")[0] not in RESERVED
    ):
        raise ValueError(
            f"name={name!r}: choose another name, of letters, digits, spaces, '-', "
            f"'_' and '.', {LONGEST_NAME} at most, that begins and ends with a letter "
            "or digit."
        )
    if len(name.encode()) > _MOST_BYTES:
        raise ValueError(f"name={name!r} is too long for a file; choose a shorter one.")
    if name.casefold() in {taken.casefold() for taken in bundled_models()}:
        raise ValueError(
            f"name={name!r} is taken by a model of the package; choose another one."
        )
    # Some file systems do not tell capitals from small letters.
    alike = [
        other
        for other in user_models(folder)
        if other.casefold() == name.casefold() and other != besides
    ]
    if alike and not overwrite:
        raise ValueError(
            f"name={name!r} is taken by another of your models; choose another name, "
            "or delete that one first."
        )
    if alike and name not in alike:
        raise ValueError(
            f"name={name!r}: there is a model {alike[0]!r}, which some systems do not "
            "tell apart from it; give that name to replace it, or choose another one."
        )
    return models_folder(folder) / f"{name}{SUFFIX}"
