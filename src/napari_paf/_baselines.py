"""Other people's superpixels, to compare with: scikit-image's, and OpenCV's if there.

Most of them return about as many superpixels as asked for, some take no count at
all. `at_count` searches for the setting that comes nearest, since measures can only
be compared at equal counts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer]
# From an image (row, column[, channel]) and a setting to superpixels.
Method = Callable[[NDArray[Any], float], Labels]
LEAST_SIZE = 20  # pixels: scikit-image's own default for felzenszwalb


class Timed(NamedTuple):
    """Superpixels, and how long the run that made them took."""

    labels: Labels
    seconds: float


def baselines() -> tuple[str, ...]:
    """Return the names of the methods that can run here.

    Examples
    --------
    >>> "slic" in baselines()
    True
    """
    if find_spec("cv2") is None:
        return tuple(_SKIMAGE)
    import cv2

    has_contrib = hasattr(cv2, "ximgproc")
    return (*_SKIMAGE, *_OPENCV) if has_contrib else tuple(_SKIMAGE)


def run_baseline(
    name: str, image: NDArray[Any], n_segments: int, *, max_runs: int = 12
) -> Timed:
    """Return superpixels by another method, about `n_segments` of them.

    Parameters
    ----------
    name : str
        One of `baselines`.
    image : (row, column) or (row, column, channel) ndarray
        Of any real dtype.
    n_segments : int
        How many superpixels to aim at.
    max_runs : int, default 12
        Limit of the search.

    Returns
    -------
    labels : (row, column) ndarray of int
    seconds : float
        Of the run that gave them, without the search.

    Raises
    ------
    ValueError
        If there is no such method here.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(4096.0).reshape(64, 64)
    >>> labels, seconds = run_baseline("compact-watershed", image, 16)
    >>> len(np.unique(labels))
    16
    """
    if name not in baselines():
        raise ValueError(f"method {name!r}: choose among {', '.join(baselines())}.")
    method, low, high, rising = {**_SKIMAGE, **_OPENCV}[name]
    image = _scaled(image)
    n_pixels = math.prod(image.shape[:2])
    limits = low(n_segments, n_pixels), high(n_segments, n_pixels)
    run = partial(method, image)
    if name == "felzenszwalb":
        min_size = _least_size(n_segments, n_pixels)
        run = partial(_felzenszwalb, image, min_size=min_size)
    return at_count(run, n_segments, *limits, rising, max_runs)


def at_count(
    method: Callable[[float], Labels],
    n_segments: int,
    low: float,
    high: float,
    rising: bool,
    max_runs: int,
) -> Timed:
    """Return the labels whose count is nearest to `n_segments`.

    Parameters
    ----------
    method : callable
        From a setting to labels.
    n_segments : int
        The count to look for; within 2 percent is near enough.
    low, high : float
        Range of the setting, above 0; bisected by ratio.
    rising : bool
        Whether a higher setting gives more superpixels.
    max_runs : int
        Limit of the search.

    Returns
    -------
    labels : ndarray of int
    seconds : float
        Of the run that gave them.
    """
    best: tuple[float, Timed] | None = None
    for _ in range(max_runs):
        setting = math.sqrt(low * high)
        start = time.perf_counter()
        labels = method(setting)
        seconds = time.perf_counter() - start
        count = len(np.unique(labels))
        error = abs(count - n_segments)
        if best is None or error < best[0]:
            best = error, Timed(labels, seconds)
        if error <= 0.02 * n_segments or high / low < 1.001:
            break
        if (count < n_segments) == rising:
            low = setting
        else:
            high = setting
    assert best is not None
    return best[1]


def _scaled(image: NDArray[Any]) -> NDArray[np.float64]:
    """Map the image's range to 0 ... 1."""
    values = np.asarray(image, np.float64)
    low, high = float(values.min()), float(values.max())
    scaled: NDArray[np.float64] = (values - low) / (high - low or 1.0)
    return scaled


def _axis(image: NDArray[Any]) -> int | None:
    return -1 if image.ndim == 3 else None


def _slic(image: NDArray[Any], setting: float, *, zero: bool = False) -> Labels:
    from skimage.segmentation import slic

    labels: Labels = slic(
        image,
        round(setting),
        # scikit-image's own default, for intensities from 0 to 1
        compactness=10 if image.ndim == 3 else 0.1,
        slic_zero=zero,
        start_label=1,
        channel_axis=_axis(image),
    )
    return labels


def _compact_watershed(image: NDArray[Any], setting: float) -> Labels:
    from skimage.color import rgb2gray
    from skimage.filters import sobel
    from skimage.segmentation import watershed

    grey = rgb2gray(image) if image.ndim == 3 else image
    labels: Labels = watershed(sobel(grey), markers=round(setting), compactness=1e-3)
    return labels


def _felzenszwalb(
    image: NDArray[Any], setting: float, *, min_size: int = LEAST_SIZE
) -> Labels:
    from skimage.segmentation import felzenszwalb

    labels: Labels = felzenszwalb(
        image, scale=setting, min_size=min_size, channel_axis=_axis(image)
    )
    return labels


def _least_size(n_segments: int, n_pixels: int) -> int:
    """Return a least size of segments that leaves room for as many as asked for."""
    return max(1, min(LEAST_SIZE, n_pixels // (4 * n_segments)))


def _opencv(kind: str, image: NDArray[Any], setting: float) -> Labels:
    import cv2

    codes = np.ascontiguousarray(np.rint(image * 255).astype(np.uint8))
    if codes.ndim == 3:
        codes = cv2.cvtColor(codes, cv2.COLOR_RGB2LAB)
    rows, columns = codes.shape[:2]
    size = max(2, round(math.sqrt(rows * columns / setting)))
    if kind == "lsc":
        found = cv2.ximgproc.createSuperpixelLSC(codes, size)
        found.iterate(10)
        found.enforceLabelConnectivity()
    else:
        channels = 1 if codes.ndim == 2 else codes.shape[2]
        found = cv2.ximgproc.createSuperpixelSEEDS(
            columns, rows, channels, round(setting), 4
        )
        found.iterate(codes, 10)
    labels: Labels = found.getLabels()
    return labels


def _fewer(n_segments: int, n_pixels: int) -> float:
    return max(1.0, n_segments / 4)


def _more(n_segments: int, n_pixels: int) -> float:
    return float(min(n_pixels, n_segments * 4))


# Method, lowest and highest setting, and whether a higher one gives more.
_SKIMAGE: dict[str, tuple[Method, Any, Any, bool]] = {
    "slic": (_slic, _fewer, _more, True),
    "slic-zero": (partial(_slic, zero=True), _fewer, _more, True),
    "compact-watershed": (_compact_watershed, _fewer, _more, True),
    "felzenszwalb": (
        _felzenszwalb,
        lambda n, pixels: 1e-2,
        lambda n, pixels: 1e5,
        False,
    ),
}
_OPENCV: dict[str, tuple[Method, Any, Any, bool]] = {
    "lsc": (partial(_opencv, "lsc"), _fewer, _more, True),
    "seeds": (partial(_opencv, "seeds"), _fewer, _more, True),
}
OF_OPENCV = tuple(_OPENCV)
