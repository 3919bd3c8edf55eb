"""From an image to superpixels in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from napari_paf._offsets import neighbour_offsets
from napari_paf._progress import Progress, part
from napari_paf._validation import (
    check_balance,
    check_connectivity,
    check_covers_islands,
    check_image,
    check_mask,
    check_n_segments,
)
from napari_paf.affinity.balance import suitable_balance
from napari_paf.affinity.predict import predict_affinity, resolve_model
from napari_paf.clustering._threads import check_n_threads
from napari_paf.clustering.entropy_rate import entropy_rate_superpixels
from napari_paf.clustering.hierarchy import (
    SuperpixelHierarchy,
    entropy_rate_hierarchy,
)

if TYPE_CHECKING:
    import os

    import torch

    from napari_paf.affinity.model import AffinityModel

Result = TypeVar("Result")

SHARE_OF_PREDICTING = 0.6
"""Of the progress bar: about what it takes of the time on a CPU."""


def superpixels(
    image: ArrayLike,
    n_segments: int = 300,
    *,
    model: str | os.PathLike[str] | AffinityModel = "default",
    balance: float | None = None,
    connectivity: int = 2,
    channel_axis: int | None = None,
    mask: ArrayLike | None = None,
    spacing: Sequence[float] | None = None,
    device: str | torch.device = "auto",
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.unsignedinteger]:
    """Divide an image into superpixels that keep to the boundaries in it.

    Predicts how strongly neighbouring pixels belong together, then clusters them:
    SEAL [1]_ on entropy-rate superpixels [2]_.

    Parameters
    ----------
    image : ([plane,] row, column[, channel]) array_like
        Of any real dtype and range.
    n_segments : int, optional
        Number of superpixels, from the number of islands in `mask` to the number of
        pixels. Exactly so many are returned.
    model : str, path-like or AffinityModel, optional
        Name of a model (see `list_models`), path of a model file, a model, or
        ``"gradient"`` for the classical differences of intensity.
    balance : float, optional
        How much equal sizes matter, from 0 to 1000. 0 follows the affinities alone.
        Default: what suits the affinities, see `suitable_balance`: for ``"default"``
        the less, the more certain the boundaries are, and 0.5 for ``"gradient"``.
    connectivity : int, optional
        Number of axes along which neighbouring pixels may differ, from 1 (shared
        faces) to the number of spatial axes.
    channel_axis : int, optional
        Axis of the channels, such as -1 for RGB. Default: the image has none.
    mask : ([plane,] row, column) array_like of bool or int, optional
        Pixels to divide are those that are not 0. Default: all.
    spacing : sequence of float, optional
        Size of a pixel along each spatial axis; only proportions matter.
    device : str or torch.device, optional
        Where the network runs: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    n_threads : int, optional
        Number of threads that cluster. Default: the environment variable
        ``NAPARI_PAF_NUM_THREADS``, or one for each core.
    progress : callable, optional
        Called as ``progress(fraction, description)``. Raise from it to cancel: the
        exception reaches the caller.

    Returns
    -------
    labels : ([plane,] row, column) ndarray of uint16 or uint32
        1 to `n_segments` in raster order of first pixels, 0 outside `mask`. Every
        superpixel is connected.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it, its value and what to do.

    See Also
    --------
    predict_affinity, entropy_rate_superpixels : The two steps.
    superpixel_hierarchy : Every number of superpixels at once.

    References
    ----------
    .. [1] W.-C. Tu et al., "Learning Superpixels with Segmentation-Aware Affinity
           Loss", CVPR 2018.
    .. [2] M.-Y. Liu, O. Tuzel, S. Ramalingam and R. Chellappa, "Entropy Rate
           Superpixel Segmentation", CVPR 2011.

    Examples
    --------
    >>> from skimage import data
    >>> from napari_paf import superpixels
    >>> labels = superpixels(data.astronaut()[::4, ::4], 50, channel_axis=-1)
    >>> labels.shape, int(labels.max())
    ((128, 128), 50)
    """
    return _cluster_image(
        entropy_rate_superpixels,
        image,
        n_segments,
        model=model,
        balance=balance,
        connectivity=connectivity,
        channel_axis=channel_axis,
        mask=mask,
        spacing=spacing,
        device=device,
        n_threads=n_threads,
        progress=progress,
    )


def superpixel_hierarchy(
    image: ArrayLike,
    n_segments: int = 300,
    *,
    model: str | os.PathLike[str] | AffinityModel = "default",
    balance: float | None = None,
    connectivity: int = 2,
    channel_axis: int | None = None,
    mask: ArrayLike | None = None,
    spacing: Sequence[float] | None = None,
    device: str | torch.device = "auto",
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> SuperpixelHierarchy:
    """Divide an image into superpixels of every granularity at once.

    Parameters
    ----------
    image, model, balance, connectivity, channel_axis, mask, spacing
        As in `superpixels`.
    n_segments : int, optional
        Number of superpixels for which the hierarchy is exact.
    device, n_threads, progress
        As in `superpixels`.

    Returns
    -------
    hierarchy : SuperpixelHierarchy
        ``hierarchy.labels(n)`` for any `n`; for `n_segments` it equals what
        `superpixels` returns.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit; the message names it, its value and what to do.

    Examples
    --------
    >>> from skimage import data
    >>> from napari_paf import superpixel_hierarchy
    >>> hierarchy = superpixel_hierarchy(data.camera()[::8, ::8], 50)
    >>> [int(hierarchy.labels(n).max()) for n in (10, 50, 200)]
    [10, 50, 200]
    """
    return _cluster_image(
        entropy_rate_hierarchy,
        image,
        n_segments,
        model=model,
        balance=balance,
        connectivity=connectivity,
        channel_axis=channel_axis,
        mask=mask,
        spacing=spacing,
        device=device,
        n_threads=n_threads,
        progress=progress,
    )


def _cluster_image(
    cluster: Callable[..., Result],
    image: ArrayLike,
    n_segments: int,
    *,
    model: Any,
    balance: float | None,
    connectivity: int,
    channel_axis: int | None,
    mask: ArrayLike | None,
    spacing: Sequence[float] | None,
    device: Any,
    n_threads: int | None,
    progress: Progress | None,
) -> Result:
    """Check everything, predict, and hand the affinities to `cluster`."""
    channels = check_image(image, channel_axis)
    shape = channels.shape[1:]
    balance = None if balance is None else check_balance(balance)
    connectivity = check_connectivity(connectivity, len(shape))
    n_threads = check_n_threads(n_threads)
    inside = None if mask is None else check_mask(mask, shape)
    n_inside = channels[0].size if inside is None else np.count_nonzero(inside)
    n_segments = check_n_segments(n_segments, int(n_inside))
    if inside is not None:
        neighbours = ndimage.generate_binary_structure(len(shape), connectivity)
        check_covers_islands(n_segments, ndimage.label(inside, neighbours)[1])
    chosen = resolve_model(model)
    affinity = predict_affinity(
        channels,
        model=chosen,
        channel_axis=0,
        spacing=spacing,
        device=device,
        progress=part(progress, 0, SHARE_OF_PREDICTING),
    )
    if balance is None:
        balance = suitable_balance(affinity, chosen, mask=inside)
    if len(affinity) < len(neighbour_offsets(len(shape), connectivity)):
        # The clustering derives missing diagonals from the axes, or takes all.
        affinity = affinity[: len(shape)]
    report = part(progress, SHARE_OF_PREDICTING, 1)
    return cluster(
        affinity,
        n_segments,
        balance=balance,
        connectivity=connectivity,
        mask=inside,
        n_threads=n_threads,
        progress=lambda fraction, doing: report(fraction, f"Clustering: {doing}"),
    )
