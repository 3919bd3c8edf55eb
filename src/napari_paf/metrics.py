"""How good superpixels are: agreement with ground truth, and shape.

All measures take integer label images of two or three dimensions, in which
every value, 0 included, is a region; `mask` says which pixels count. A ground
truth may come from several annotators, as one more leading axis or as a
sequence of label images; the measure is then the mean over them.
"""

from __future__ import annotations

from collections.abc import Callable

from numpy.typing import ArrayLike

from napari_paf._agreement import (
    Agreement,
    Superpixels,
    Truths,
    agreements,
    check_tolerance,
    known_mean,
)

__all__ = [
    "achievable_iou",
    "achievable_segmentation_accuracy",
    "boundary_precision",
    "boundary_recall",
    "compactness",
    "evaluate",
    "explained_variation",
    "undersegmentation_error",
]


def achievable_segmentation_accuracy(
    labels: ArrayLike,
    truth: Truths,
    *,
    unlabelled: int | None = None,
    mask: ArrayLike | None = None,
) -> float:
    """Return the best pixel accuracy that painting whole superpixels can reach.

    Each superpixel goes to the segment it overlaps most:
    ``sum(max over segments of overlap) / pixels``.

    Parameters
    ----------
    labels : ([plane,] row, column) array_like of int
        Superpixels.
    truth : ([annotator,] [plane,] row, column) array_like of int
        Ground truth, from one or several annotators.
    unlabelled : int, optional
        Value in `truth` that means "not annotated"; such pixels are left out.
        Default: every value is a segment.
    mask : ([plane,] row, column) array_like of bool, optional
        Pixels that count. For superpixels made inside a mask, pass
        ``labels > 0``. Default: all.

    Returns
    -------
    accuracy : float
        Above 0 to 1, higher is better; the mean over annotators.

    Raises
    ------
    TypeError, ValueError
        If the label images are not of integers, differ in shape, or leave no
        pixel to measure.

    References
    ----------
    .. [1] M.-Y. Liu, O. Tuzel, S. Ramalingam, R. Chellappa, "Entropy rate
           superpixel segmentation", CVPR 2011, section 5.

    Examples
    --------
    >>> from napari_paf.metrics import achievable_segmentation_accuracy
    >>> achievable_segmentation_accuracy([[1, 1, 1, 2]], [[1, 1, 2, 2]])
    0.75
    """
    return _mean(Agreement.accuracy, labels, truth, unlabelled, mask)


def undersegmentation_error(
    labels: ArrayLike,
    truth: Truths,
    *,
    unlabelled: int | None = None,
    mask: ArrayLike | None = None,
) -> float:
    """Return how much superpixels leak across the segments of a ground truth.

    Neubert and Protzel's form: ``sum over overlapping pairs of min(inside,
    outside) / pixels``, with `inside` the pixels of the superpixel inside the
    segment and `outside` the rest of it.

    Parameters
    ----------
    labels, truth, unlabelled, mask
        As in `achievable_segmentation_accuracy`.

    Returns
    -------
    error : float
        0 or more, lower is better; the mean over annotators.

    Raises
    ------
    TypeError, ValueError
        As in `achievable_segmentation_accuracy`.

    References
    ----------
    .. [1] P. Neubert, P. Protzel, "Superpixel benchmark and comparison", Forum
           Bildverarbeitung 2012, section 2.

    Examples
    --------
    >>> from napari_paf.metrics import undersegmentation_error
    >>> undersegmentation_error([[1, 1, 1, 2]], [[1, 1, 2, 2]])
    0.5
    """
    return _mean(Agreement.leakage, labels, truth, unlabelled, mask)


def boundary_recall(
    labels: ArrayLike,
    truth: Truths,
    *,
    tolerance: int = 1,
    unlabelled: int | None = None,
    mask: ArrayLike | None = None,
) -> float:
    """Return the part of the true boundary that superpixel boundaries follow.

    A boundary pixel differs from the next pixel along some axis (in the plane:
    from its right or lower neighbour). It is found if there is a superpixel
    boundary in the square, or cube, that reaches `tolerance` pixels each way.

    Parameters
    ----------
    labels, truth, mask
        As in `achievable_segmentation_accuracy`.
    tolerance : int, default 1
        In pixels. 0 asks for the very same pixel.
    unlabelled : int, optional
        Value in `truth` that means "not annotated"; next to it there is no
        boundary.

    Returns
    -------
    recall : float
        0 to 1, higher is better; the mean over annotators. 1 for a ground
        truth without boundaries.

    Raises
    ------
    TypeError, ValueError
        As in `achievable_segmentation_accuracy`, or if `tolerance` is not an
        integer of at least 0.

    References
    ----------
    .. [1] P. Neubert, P. Protzel, "Superpixel benchmark and comparison", Forum
           Bildverarbeitung 2012, section 2; here the neighbourhood is a square.

    Examples
    --------
    >>> from napari_paf.metrics import boundary_recall
    >>> boundary_recall([[1, 1, 1, 2, 2, 2]], [[1, 1, 2, 2, 2, 3]])
    0.5
    """
    tolerance = check_tolerance(tolerance)
    return _mean(lambda a: a.recall(tolerance), labels, truth, unlabelled, mask)


def boundary_precision(
    labels: ArrayLike,
    truth: Truths,
    *,
    tolerance: int = 1,
    unlabelled: int | None = None,
    mask: ArrayLike | None = None,
) -> float:
    """Return the part of the superpixel boundaries that follows a true boundary.

    `boundary_recall` with the roles exchanged. Superpixels have more boundary
    than objects do, so this is far below 1; at equal numbers of superpixels it
    tells smooth outlines from wiggly ones.

    Parameters
    ----------
    labels, truth, tolerance, unlabelled, mask
        As in `boundary_recall`.

    Returns
    -------
    precision : float
        0 to 1, higher is better; the mean over annotators. 1 if there is only
        one superpixel.

    Raises
    ------
    TypeError, ValueError
        As in `boundary_recall`.

    Examples
    --------
    >>> from napari_paf.metrics import boundary_precision
    >>> boundary_precision([[1, 1, 2, 2, 2, 3]], [[1, 1, 1, 2, 2, 2]])
    0.5
    """
    tolerance = check_tolerance(tolerance)
    return _mean(lambda a: a.precision(tolerance), labels, truth, unlabelled, mask)


def achievable_iou(
    labels: ArrayLike,
    truth: Truths,
    *,
    background: int | None = 0,
    min_size: int = 30,
    unlabelled: int | None = None,
    mask: ArrayLike | None = None,
) -> float:
    """Return the mean overlap with objects that painting superpixels can reach.

    Each superpixel goes to the segment it overlaps most (of equals, the lower
    label), background included. An object's score is the intersection over
    union with the superpixels that went to it.

    Parameters
    ----------
    labels, truth, unlabelled, mask
        As in `achievable_segmentation_accuracy`.
    background : int or None, default 0
        Value in `truth` that is a segment but not an object.
    min_size : int, default 30
        Smallest object that counts, in measured pixels.

    Returns
    -------
    iou : float
        0 to 1, higher is better: the mean over an annotator's objects, then
        over the annotators who marked any. NaN if there is no object.

    Raises
    ------
    TypeError, ValueError
        As in `achievable_segmentation_accuracy`.

    Examples
    --------
    >>> from napari_paf.metrics import achievable_iou
    >>> achievable_iou([[1, 1, 1, 2, 2]], [[0, 0, 7, 7, 7]], min_size=1)
    0.6666666666666666
    """
    return _mean(lambda a: a.iou(background, min_size), labels, truth, unlabelled, mask)


def compactness(labels: ArrayLike, *, mask: ArrayLike | None = None) -> float:
    """Return how round superpixels are: the mean isoperimetric quotient.

    In the plane ``sum(size * 4 pi size / perimeter**2) / pixels``, in volumes
    ``sum(size * 36 pi size**2 / surface**3) / pixels``. Perimeter and surface
    count the pixel faces towards anything else, the image's edge included, so
    the most compact shapes are squares (pi / 4) and cubes (pi / 6).

    Parameters
    ----------
    labels : ([plane,] row, column) array_like of int
        Superpixels.
    mask : ([plane,] row, column) array_like of bool, optional
        Pixels that count. Default: all.

    Returns
    -------
    compactness : float
        Above 0, at most pi / 4 in the plane and pi / 6 in volumes; higher is
        rounder.

    Raises
    ------
    TypeError, ValueError
        If `labels` is not an image of integers, or `mask` leaves no pixel.

    References
    ----------
    .. [1] A. Schick, M. Fischer, R. Stiefelhagen, "Measuring and evaluating the
           compactness of superpixels", ICPR 2012.

    Examples
    --------
    >>> from napari_paf.metrics import compactness
    >>> round(compactness([[1, 1, 2, 2], [1, 1, 2, 2]]), 4)  # two squares
    0.7854
    """
    return Superpixels.read(labels, mask).compactness()


def explained_variation(
    labels: ArrayLike,
    image: ArrayLike,
    *,
    channel_axis: int | None = None,
    mask: ArrayLike | None = None,
) -> float:
    """Return the part of an image's variance that superpixel means explain.

    ``sum((superpixel mean - mean)**2) / sum((value - mean)**2)`` over all
    pixels and channels.

    Parameters
    ----------
    labels : ([plane,] row, column) array_like of int
        Superpixels.
    image : array_like of real numbers
        The image, of the shape of `labels` but for a channel axis.
    channel_axis : int, optional
        The axis of `image` that holds channels. Default: none.
    mask : ([plane,] row, column) array_like of bool, optional
        Pixels that count. Default: all.

    Returns
    -------
    variation : float
        0 to 1, higher is better. 1 for a constant image.

    Raises
    ------
    TypeError, ValueError
        As in `compactness`, or if `image` does not fit or is not finite.

    References
    ----------
    .. [1] A. P. Moore, S. J. D. Prince, J. Warrell, U. Mohammed, G. Jones,
           "Superpixel lattices", CVPR 2008.

    Examples
    --------
    >>> from napari_paf.metrics import explained_variation
    >>> explained_variation([[1, 1, 2, 2]], [[0, 0, 9, 9]])
    1.0
    >>> explained_variation([[1, 2, 2, 1]], [[0, 0, 9, 9]])
    0.0
    """
    return Superpixels.read(labels, mask).explained_variation(image, channel_axis)


def evaluate(
    labels: ArrayLike,
    truths: Truths,
    *,
    image: ArrayLike | None = None,
    channel_axis: int | None = None,
    tolerance: int = 1,
    background: int | None = 0,
    min_size: int = 30,
    unlabelled: int | None = None,
    mask: ArrayLike | None = None,
) -> dict[str, float]:
    """Return all measures at once, sharing the counting.

    Parameters
    ----------
    labels : ([plane,] row, column) array_like of int
        Superpixels.
    truths : ([annotator,] [plane,] row, column) array_like of int
        Ground truth, from one or several annotators.
    image : array_like of real numbers, optional
        Adds `explained_variation`.
    channel_axis : int, optional
        The axis of `image` that holds channels. Default: none.
    tolerance, background, min_size, unlabelled, mask
        As in `boundary_recall` and `achievable_iou`.

    Returns
    -------
    measures : dict of str to float
        ``n_segments``, the number of superpixels inside `mask`, and one entry
        per function of this module, named like it.

    Raises
    ------
    TypeError, ValueError
        As in the functions.

    Examples
    --------
    >>> from napari_paf.metrics import evaluate
    >>> measures = evaluate([[1, 1, 1, 2]], [[1, 1, 2, 2]], min_size=1)
    >>> for name, value in measures.items():
    ...     print(f"{name}: {value:.3g}")
    n_segments: 2
    achievable_segmentation_accuracy: 0.75
    boundary_recall: 1
    boundary_precision: 1
    undersegmentation_error: 0.5
    achievable_iou: 0.583
    compactness: 0.638
    """
    tolerance = check_tolerance(tolerance)
    superpixels = Superpixels.read(labels, mask)
    variation = {}
    if image is not None:  # first, because it looks at whether the image will do
        variation["explained_variation"] = superpixels.explained_variation(
            image, channel_axis
        )
    rows = [
        (
            pair.accuracy(),
            pair.recall(tolerance),
            pair.precision(tolerance),
            pair.leakage(),
            pair.iou(background, min_size),
        )
        for pair in agreements(superpixels, truths, unlabelled)
    ]
    names = (
        "achievable_segmentation_accuracy",
        "boundary_recall",
        "boundary_precision",
        "undersegmentation_error",
        "achievable_iou",
    )
    measures = {"n_segments": float(superpixels.n)}
    for name, scores in zip(names, zip(*rows, strict=True), strict=True):
        measures[name] = known_mean(scores)
    measures["compactness"] = superpixels.compactness()
    return measures | variation


def _mean(
    measure: Callable[[Agreement], float],
    labels: ArrayLike,
    truth: Truths,
    unlabelled: int | None,
    mask: ArrayLike | None,
) -> float:
    superpixels = Superpixels.read(labels, mask)
    return known_mean(
        measure(pair) for pair in agreements(superpixels, truth, unlabelled)
    )
