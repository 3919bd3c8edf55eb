"""Affinity models: a network together with what is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from napari_paf.affinity.model_file import read_model_file, write_model_file
from napari_paf.affinity.model_names import (
    bundled_models,
    model_file_of,
    user_models,
)

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from torch import nn

    from napari_paf._offsets import Offset


@dataclass
class AffinityModel:
    """A network that predicts affinities, and its card.

    Attributes
    ----------
    network : torch.nn.Module
        Maps images ``(batch, channel, *spatial)`` to logits ``(batch, offset,
        *spatial)``; in evaluation mode.
    config : dataclass instance
        What the network was built from; ``config.architecture`` names its kind.
    offsets : tuple of tuple of int
        Which neighbour each channel of the output belongs to.
    summary : dict
        What the model was trained on, how, and the figures it reached.
    licence : str
        Terms of the weights.
    name : str

    Examples
    --------
    >>> from napari_paf import load_model
    >>> model = load_model("default")
    >>> model.name, model.config.architecture
    ('default', 'unet')
    """

    network: nn.Module = field(repr=False)
    config: Any
    offsets: tuple[Offset, ...]
    summary: dict[str, Any] = field(default_factory=dict, repr=False)
    licence: str = field(default="", repr=False)
    name: str = "unnamed"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one file; never leaves half a file behind.

        Parameters
        ----------
        path : path-like
            Must end in ``.safetensors``.

        Raises
        ------
        ValueError
            If the name does not end in ``.safetensors``.
        """
        card = {"summary": self.summary, "licence": self.licence, "name": self.name}
        write_model_file(path, self.network, self.config, card)


def load_model(
    name_or_path: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
) -> AffinityModel:
    """Return a model by its name, or read one from a file.

    Loading runs no code from the file.

    Parameters
    ----------
    name_or_path : str or path-like
        One of `list_models`, or the path of a ``.safetensors`` file that
        `AffinityModel.save` has written.
    folder : path-like, optional
        Where the user's models are; as in `list_models`.

    Returns
    -------
    model : AffinityModel
        On the CPU, in evaluation mode.

    Raises
    ------
    TypeError
        If `name_or_path` is neither text nor a path.
    ValueError
        If there is no such model, or the file is broken; the message says how.

    Examples
    --------
    >>> from napari_paf import load_model
    >>> load_model("default").offsets
    ((0, 1), (1, 0), (1, 1), (-1, 1))
    """
    with model_file_of(name_or_path, folder) as (file, name):
        return _read(file, name)


def shared_model(name_or_path: str | os.PathLike[str]) -> AffinityModel:
    """Return a model as `load_model`, but one that others use too: only for reading.

    It is read again when its file has changed.
    """
    with model_file_of(name_or_path) as (file, name):
        try:
            found = file.stat()
        except OSError:
            return load_model(name_or_path)  # which says what is wrong
        return _read_shared(file, name, found.st_ino, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=2)
def _read_shared(file: Path, name: str, *_: int) -> AffinityModel:
    return _read(file, name)


def _read(file: Path, name: str) -> AffinityModel:
    network, config, card = read_model_file(file)
    if name:
        card["name"] = name  # the file may have been copied or renamed
    return AffinityModel(network, config, network.offsets, **card)  # type: ignore[arg-type]


def list_models(folder: str | os.PathLike[str] | None = None) -> list[str]:
    """Return the names of the models: those of the package first, then the user's.

    Parameters
    ----------
    folder : path-like, optional
        Where the user's models are. Default: the environment variable
        ``NAPARI_PAF_MODELS``, or a folder of the operating system's choice.

    Returns
    -------
    names : list of str
        "default" is the first.

    Examples
    --------
    >>> from napari_paf import list_models
    >>> list_models()[0]
    'default'
    """
    return [*bundled_models(), *user_models(folder)]
