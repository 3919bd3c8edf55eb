"""Which balance suits affinities: how much equal sizes should matter beside them.

Where boundaries are certain they say themselves how large superpixels are to be: large
where nothing is and small where much is. Where they are doubtful, equal sizes keep
superpixels from following noise. Photographs and microscopy differ much in
that, and one balance does not suit them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._offsets import edge_slices, neighbour_offsets
from napari_paf._validation import check_affinity, check_mask
from napari_paf.affinity.predict import resolve_model

if TYPE_CHECKING:
    import os

    from napari_paf.affinity.model import AffinityModel

BALANCE = 0.5
"""Of the original program: what suits differences of intensity, and unknown models."""

POWER = 2
"""Of doubt, with which balance falls where boundaries are certain."""


def suitable_balance(
    affinity: ArrayLike,
    model: str | os.PathLike[str] | AffinityModel = "default",
    *,
    mask: ArrayLike | None = None,
) -> float:
    """Return the `balance` that suits the affinities that a model predicted.

    Parameters
    ----------
    affinity : (n_offsets, [plane,] row, column) array_like
        From `predict_affinity`.
    model : str, path-like or AffinityModel, optional
        Which predicted them; as in `predict_affinity`.
    mask : ([plane,] row, column) array_like of bool or int, optional
        Only pixels that are not 0 count. Default: all.

    Returns
    -------
    balance : float
        ``config.balance * min(1, doubt / config.doubt) ** 2``, to three decimals, with
        the `config` of the model and the share of the boundary that is in doubt:
        ``sum(a * (1 - a)) / sum(1 - a)`` over the affinities `a` across faces. 0.5 if
        the config says nothing about it, and for ``"gradient"``.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it, its value and what to do.

    See Also
    --------
    superpixels : Uses it unless told otherwise.

    Examples
    --------
    >>> from napari_paf import gradient_affinity, suitable_balance
    >>> from skimage import data
    >>> suitable_balance(gradient_affinity(data.camera()), "gradient")
    0.5
    """
    values, _ = check_affinity(affinity, 1)
    inside = None if mask is None else check_mask(mask, values.shape[1:])
    return balance_of(getattr(resolve_model(model), "config", None), values, inside)


def balance_of(
    config: Any, affinity: NDArray[Any], inside: NDArray[np.bool_] | None = None
) -> float:
    """Return the balance that suits affinities of a network with this config."""
    most = float(getattr(config, "balance", BALANCE))
    enough = float(getattr(config, "doubt", 0.0))
    if not enough:
        return most
    share = min(1.0, doubt(affinity, inside) / enough)
    return round(most * share**POWER, 3)


def doubt(affinity: NDArray[Any], inside: NDArray[np.bool_] | None = None) -> float:
    """Return the share of the boundary that is in doubt.

    Let an affinity of `a` be a boundary with the probability ``1 - a``. Then this is
    the probability that what was taken for one is none: the mean of `a`, weighted with
    ``1 - a``, over all edges across faces inside the image and the mask.

    Parameters
    ----------
    affinity : (n_offsets, *spatial) ndarray
        The faces come first.
    inside : (*spatial) ndarray of bool, optional
        Which pixels count.

    Returns
    -------
    doubt : float
        From 0 to 1; 1 if there is no boundary at all.

    Examples
    --------
    >>> doubt(np.array([[[0.0, 1.0, 1.0]]]))
    0.0
    >>> doubt(np.array([[[0.5, 0.5, 1.0]]]))
    0.5
    """
    ndim = affinity.ndim - 1
    boundary, certain = 0.0, 0.0
    for values, offset in zip(affinity, neighbour_offsets(ndim, 1), strict=False):
        first, second = edge_slices(offset)
        apart = 1 - values[first]
        if inside is not None:
            apart = apart[inside[first] & inside[second]]
        boundary += float(np.sum(apart, dtype=np.float64))
        certain += float(np.sum(np.square(apart, out=apart), dtype=np.float64))
    return 1 - certain / boundary if boundary else 1.0
