"""How good the superpixels are that a network's affinities give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_paf.affinity.balance import balance_of
from napari_paf.affinity.regularity import regularize
from napari_paf.clustering.entropy_rate import entropy_rate_superpixels
from napari_paf.metrics import achievable_segmentation_accuracy
from napari_paf.training.sampling import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from napari_paf._progress import Progress
    from napari_paf.training.sampling import Sample

PIXELS_PER_SUPERPIXEL = (1200, 300, 100)
LARGEST = {2: 512, 3: 96}
"""Pixels along each axis of what is looked at, of images and volumes."""


def superpixels_of(
    affinity: NDArray[Any],
    n_segments: int,
    balance: float,
    progress: Progress | None = None,
) -> NDArray[Any]:
    """Return superpixels of predicted affinities, at least one, on one thread.

    Parameters
    ----------
    affinity : (n_offsets, *spatial) ndarray
        Values for neighbours outside the image do not matter.
    n_segments : int
        How many to make; limited to what the image has room for.
    balance, progress
        As in `entropy_rate_superpixels`.

    Returns
    -------
    labels : (*spatial) ndarray of int
    """
    affinity = np.ascontiguousarray(affinity, np.float32)
    n_segments = min(max(1, n_segments), affinity[0].size)
    return entropy_rate_superpixels(
        affinity,
        n_segments,
        balance=balance,
        connectivity=affinity.ndim - 1,
        n_threads=1,
        progress=progress,
    )


def validate(
    network: nn.Module,
    config: Any,
    samples: Sequence[Sample],
    device: torch.device,
    look: Callable[[], None],
) -> float:
    """Return the mean achievable segmentation accuracy over samples and sizes.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode, on `device`.
    config : dataclass instance
        The network's.
    samples : sequence of Sample
        Each with labels, and of at most `LARGEST` pixels along each axis: larger ones
        take too long.
    device : torch.device
    look : callable
        Called often on the way; to cancel, raise from it.

    Returns
    -------
    accuracy : float
        From 0 to 1: the mean over superpixels of 1200, 300 and 100 pixels. NaN if the
        network gives values that are no numbers.
    """
    scores = []
    for sample in samples:
        prepare: Any = network.prepare_normalized
        image = prepare(decode(sample.codes))
        look()
        with torch.inference_mode():
            logits = network(torch.from_numpy(image)[None].to(device))[0]
            affinity = torch.sigmoid(logits.float() / config.temperature).cpu().numpy()
        look()
        if np.isnan(affinity).any():
            return math.nan
        strength = getattr(config, "regularity", 0.0)
        offsets: Any = network.offsets
        regularize(affinity, offsets, strength, (1.0,) * sample.ndim)
        balance = balance_of(config, affinity)
        for pixels in PIXELS_PER_SUPERPIXEL:
            labels = superpixels_of(
                affinity,
                affinity[0].size // pixels,
                balance,
                lambda _fraction, _step: look(),
            )
            scores.append(
                achievable_segmentation_accuracy(
                    labels, sample.labels, unlabelled=sample.unlabelled
                )
            )
    return float(np.mean(scores))
