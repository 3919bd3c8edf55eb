"""Affinities of an image, predicted by a model."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_paf._offsets import neighbour_offsets
from napari_paf._progress import Progress, part
from napari_paf._validation import check_image, check_spacing, proportions
from napari_paf.affinity._tiles import TiledNetwork
from napari_paf.affinity._views import predict_by_planes
from napari_paf.affinity.device import choose_device, release_memory
from napari_paf.affinity.gradient import gradient_affinity
from napari_paf.affinity.model import AffinityModel, shared_model
from napari_paf.affinity.regularity import regularize

if TYPE_CHECKING:
    import torch

MEMORY_VARIABLE = "NAPARI_PAF_TILE_MEMORY"
"""Environment variable with the memory of a tile, in GiB, where none is given."""


def predict_affinity(
    image: ArrayLike,
    *,
    model: str | os.PathLike[str] | AffinityModel = "default",
    channel_axis: int | None = None,
    spacing: Sequence[float] | None = None,
    device: str | torch.device = "auto",
    tile_memory: float | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Predict how strongly each pixel belongs with its neighbours.

    Large images are predicted in tiles that overlap so much that the result is that
    of the whole image. Where a graphics card runs out of memory, tiles shrink; where
    that does not help, the CPU goes on, with a warning.

    The model's ``config.regularity`` weakens affinities a little across the sides of
    nested boxes, so that superpixels are compact where the image says nothing.

    Parameters
    ----------
    image : ([plane,] row, column[, channel]) array_like
        Of any real dtype and range: intensities are normalised over the whole image.
    model : str, path-like or AffinityModel, optional
        Name of a model (see `list_models`), path of a model file, a model, or
        ``"gradient"`` for `gradient_affinity`.
    channel_axis : int, optional
        Axis of the channels. Default: the image has none. One channel, or as many as
        the model was trained on, are predicted together. Any other number is
        predicted channel by channel, and an edge in any of them counts: the least
        affinity is returned. Channels that are no colours, such as fluorescent stains,
        are brought to one range, so that dim ones count as well.
    spacing : sequence of float, optional
        Size of a pixel along each spatial axis; only proportions matter. Default:
        all are 1. Networks for planes see them stretched to their true proportions;
        networks for volumes see voxels as they are.
    device : str or torch.device, optional
        ``"auto"`` for CUDA, MPS or the CPU, whichever is there first; or one of them.
    tile_memory : float, optional
        GiB that the prediction of a tile may take. Default: the environment variable
        ``NAPARI_PAF_TILE_MEMORY``, or 0.7 of what is free on CUDA cards, 2 elsewhere.
    progress : callable, optional
        Called as ``progress(fraction, description)``, also within a tile. Raise from
        it to cancel: the exception reaches the caller.

    Returns
    -------
    affinity : (n_offsets, [plane,] row, column) ndarray of float32
        From 0 (boundary) to 1 (same segment), 0 where the neighbour lies outside.
        ``affinity[k][p]`` joins pixel ``p`` to ``p + offsets[k]``: the faces, last
        axis first, then diagonals as far as the model gives them. A 2-D network
        applied to a volume gives diagonals across faces, none across corners.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it, its value and what to do.

    Examples
    --------
    >>> from skimage import data
    >>> from napari_paf import predict_affinity
    >>> affinity = predict_affinity(data.camera()[::8, ::8], device="cpu")
    >>> affinity.shape, str(affinity.dtype)
    ((4, 64, 64), 'float32')
    """
    channels = check_image(image, channel_axis)
    ndim = channels.ndim - 1
    sizes = proportions(check_spacing(spacing, ndim), channels.shape[1:])
    where = choose_device(device)
    memory = check_tile_memory(tile_memory)
    chosen = resolve_model(model)
    if not isinstance(chosen, AffinityModel):
        return gradient_affinity(
            channels, connectivity=ndim, channel_axis=0, spacing=sizes
        )
    report = part(progress, 0.0, 1.0)
    text = "Predicting affinities"
    report(0.0, text)
    groups = _groups(channels, chosen)
    if len(chosen.offsets[0]) > ndim:
        raise ValueError(
            f"model={chosen.name!r} is for volumes and the image of shape "
            f"{channels.shape[1:]} is not: choose another model."
        )
    network = TiledNetwork(chosen.network, where, memory)
    affinity: NDArray[np.float32] | None = None
    try:
        for number, group in enumerate(groups):
            start, stop = number / len(groups), (number + 1) / len(groups)

            def within(
                fraction: float, _: str, start: float = start, stop: float = stop
            ) -> None:
                report(start + (stop - start) * fraction, text)

            prepared = chosen.network.prepare(group)  # type: ignore[operator]
            if len(chosen.offsets[0]) == 3:
                one = network(prepared[np.newaxis], within)[0]
            else:
                one = predict_by_planes(
                    network, chosen.offsets, prepared, sizes, within
                )
            affinity = one if affinity is None else np.minimum(affinity, one, out=one)
    finally:
        del network
        release_memory(where)
    assert affinity is not None  # there is at least one channel
    if not affinity.min() >= 0:
        raise ValueError(
            f"model={chosen.name!r} predicts values that are not finite: its weights "
            "are damaged; get the model again, or choose another."
        )
    strength = getattr(chosen.config, "regularity", 0.0)
    # The faces come first, then the edges, then the corners.
    offsets = neighbour_offsets(ndim, ndim)[: len(affinity)]
    regularize(affinity, offsets, strength, sizes)
    return affinity


def resolve_model(model: Any) -> AffinityModel | str:
    """Return what a caller names, only for reading: a model, or ``"gradient"``."""
    if isinstance(model, AffinityModel) or (
        isinstance(model, str) and model == "gradient"
    ):
        return model
    if not isinstance(model, str | os.PathLike):
        raise TypeError(
            f"model={model!r}: give the name of a model, the path of a model file, an "
            "AffinityModel or 'gradient'."
        )
    return shared_model(model)


def check_tile_memory(tile_memory: Any) -> int | None:
    """Return the bytes that a tile may take, given or in the environment, or None."""
    source = f"tile_memory={tile_memory!r}"
    if tile_memory is None:
        setting = os.environ.get(MEMORY_VARIABLE) or None
        if setting is None:
            return None
        source = f"{MEMORY_VARIABLE}={setting!r}"
        try:
            tile_memory = float(setting)
        except ValueError:
            tile_memory = None
    if isinstance(tile_memory, bool) or not isinstance(tile_memory, numbers.Real):
        raise TypeError(f"{source}: give a number of GiB, such as 0.5.")
    gibibytes = float(tile_memory)
    if not 0 < gibibytes < math.inf:
        raise ValueError(f"{source}: give a finite number of GiB over 0.")
    return int(gibibytes * 2**30)


def _groups(channels: NDArray[Any], model: AffinityModel) -> list[NDArray[Any]]:
    """Return the channels that are predicted together."""
    n_trained = model.config.channels
    if len(channels) in (1, n_trained):
        return [channels]
    if n_trained > 3:
        raise ValueError(
            f"image has {len(channels)} channels: model={model.name!r} was trained on "
            f"{n_trained}; give 1 or {n_trained}, or choose another model."
        )
    return [channel[np.newaxis] for channel in channels]
