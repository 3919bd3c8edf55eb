"""Which balance suits a model: how much equal sizes matter beside its affinities.

Affinities that tell boundaries well want less balance than differences of
intensity do: superpixels may then be large where nothing is and small where much is.
PyTorch is not loaded.
"""

from __future__ import annotations

from typing import Any, TypeGuard

from napari_paf.affinity.model_header import Unreadable, read_header, take_metadata
from napari_paf.affinity.model_names import model_file_of

BALANCE = 0.5
"""Of the original program: what suits differences of intensity, and unknown models."""

LARGEST = 1000.0
"""What a widget offers."""


def balance_of(model: Any) -> float:
    """Return what balance a model was tuned with.

    Parameters
    ----------
    model : str, path-like or AffinityModel
        As in `superpixels`.

    Returns
    -------
    balance : float
        0.5 if the model does not say, or if there is no such model.

    Examples
    --------
    >>> balance_of("gradient"), balance_of("default")
    (0.5, 0.2)
    """
    known = getattr(model, "balance", None)
    if known is not None:
        return float(known)
    if isinstance(model, str) and model == "gradient":
        return BALANCE
    try:
        with model_file_of(model) as (file, _):
            config = take_metadata(read_header(file)).get("config")
    except (Unreadable, TypeError, ValueError):
        return BALANCE  # who runs it is told what is wrong
    balance = config.get("balance") if isinstance(config, dict) else None
    return float(balance) if is_balance(balance) else BALANCE


def is_balance(balance: object) -> TypeGuard[float]:
    """Return whether a model may ask for this balance."""
    return isinstance(balance, int | float) and 0 <= balance <= LARGEST
