"""Affinity models: a network together with what is known about it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_paf.affinity.model_file import read_model_file, write_model_file
from napari_paf.affinity.model_store import bundled_models, find_model, user_models

if TYPE_CHECKING:
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
    if not isinstance(name_or_path, str | os.PathLike):
        raise TypeError(
            f"name_or_path={name_or_path!r}: give the name of a model or the path of a "
            "model file."
        )
    path = Path(name_or_path)
    # "cells" is a name, "cells.safetensors" and "./cells" are paths.
    known = isinstance(name_or_path, str) and name_or_path in list_models(folder)
    if known or (not path.suffix and not path.exists()):
        with resources.as_file(find_model(str(name_or_path), folder)) as file:
            network, config, card = read_model_file(file)
        if known:
            card["name"] = name_or_path  # the file may have been copied or renamed
    else:
        network, config, card = read_model_file(path)
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
