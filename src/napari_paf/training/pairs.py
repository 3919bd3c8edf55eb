"""From what the user has labelled to samples for learning and for validation."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf._pixel_size import without_axis
from napari_paf._validation import check_channel_axis, check_spacing, proportions
from napari_paf.affinity._views import stretch_of, stretch_planes
from napari_paf.training.sampling import Sample, make_sample
from napari_paf.training.sources import Source, read_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

HELD_OUT = 5  # one in this many images, or this fraction of each, is for validation
THIN = 16  # pixels: a plane that is less wide shows little of any object


def as_samples(
    pairs: Sequence[Any],
    argument: str,
    channel_axis: int | None,
    unlabelled: int | None,
    spacing: Sequence[float] | None = None,
) -> list[Sample]:
    """Return samples for pairs of image and labels, after checking them.

    Parameters
    ----------
    pairs : sequence of (image, labels) or Sample
        Each an array, a file or a napari layer.
    argument : str
        What the caller calls `pairs`, for messages.
    channel_axis, unlabelled, spacing
        As in `train_affinity`.

    Returns
    -------
    samples : list of Sample

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        If a pair is not a pair, a file cannot be read, or image and labels do not fit.
    """
    try:
        numbered = enumerate(pairs)
    except TypeError:
        raise TypeError(
            f"{argument} of type {type(pairs).__name__}: give a list of pairs (image, "
            "labels)."
        ) from None
    samples = []
    for number, pair in numbered:
        where = f"{argument}[{number}]"
        if isinstance(pair, Sample):
            samples.append(_labelled(pair, where))
            continue
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"{where}: give a pair (image, labels).")
        try:
            source, truth = read_source(pair[0]), read_source(pair[1], labels=True)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{where}: {error}") from None
        except (OSError, ValueError) as error:
            # Not the error's own type: some of them take more than a message.
            raise ValueError(f"{where}: {error}") from None
        image, labels = source.data, truth.data
        axis = source.channel_axis if channel_axis is None else channel_axis
        if image.dtype.kind not in "fbiu" or not np.isfinite(image).all():
            raise ValueError(f"{where}: the image must hold finite real numbers.")
        if labels.dtype.kind not in "biu":
            raise TypeError(
                f"{where}: labels of dtype {labels.dtype}; give an integer image."
            )
        shape = image.shape
        if axis is None:
            image = image[None]
        else:
            try:
                image = np.moveaxis(image, check_channel_axis(axis, image.ndim), 0)
            except (TypeError, ValueError) as error:
                raise type(error)(f"{where}: {error}") from None
        ndim = image.ndim - 1
        if ndim not in (2, 3):
            raise ValueError(
                f"{where}: image of shape {shape} with "
                f"channel_axis={axis}; give 2-D or 3-D images, and name the "
                "axis of the channels if there is one."
            )
        if image.size == 0:
            raise ValueError(
                f"{where}: image of shape {shape} is empty; give some pixels."
            )
        if (
            labels.ndim not in (ndim, ndim + 1)
            or labels.shape[-ndim:] != image.shape[1:]
        ):
            raise ValueError(
                f"{where}: labels of shape {labels.shape} do not fit an image of "
                f"{image.shape[1:]} pixels with channel_axis={axis}."
            )
        labels = labels.astype(np.int64) if labels.dtype.kind == "b" else labels
        sizes = check_spacing(spacing, ndim)
        if spacing is None:
            sizes = _spacing_of(source, axis, ndim)
        sizes = proportions(sizes, image.shape[1:])
        sample = make_sample(image, labels, unlabelled=unlabelled, spacing=sizes)
        samples.append(_labelled(sample, where))
    return samples


def _spacing_of(
    source: Source, channel_axis: int | None, ndim: int
) -> tuple[float, ...]:
    """Return the size of a pixel along each spatial axis, 1 where nobody says it."""
    spacing = source.spacing
    if spacing is not None and len(spacing) > ndim and channel_axis is not None:
        spacing = without_axis(spacing, channel_axis)
    try:
        return check_spacing(spacing, ndim)
    except ValueError:  # sizes that predictions do not take either
        return (1.0,) * ndim


def hold_out(samples: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Return samples to learn from and samples to validate on.

    From five images on that have two labels, every fifth of those is held out whole.
    From fewer, the last fifth of each along its longest axis; the first fifth, or
    another axis, where otherwise one of the two parts had only one label.

    Parameters
    ----------
    samples : list of Sample

    Returns
    -------
    learning, validation : list of Sample
        Where nothing can be held out, the second is empty.
    """
    telling = [i for i, sample in enumerate(samples) if tells_apart(sample)]
    if len(telling) >= HELD_OUT:
        held = set(telling[HELD_OUT - 1 :: HELD_OUT])
        return (
            [sample for i, sample in enumerate(samples) if i not in held],
            [sample for i, sample in enumerate(samples) if i in held],
        )
    learning, validation = [], []
    for sample in samples:
        parts = _split(sample)
        learning.append(sample if parts is None else parts[0])
        if parts is not None:
            validation.append(parts[1])
    return learning, validation


def _split(sample: Sample) -> tuple[Sample, Sample] | None:
    """Return a large and a small part that both have two labels, or None."""
    shape = sample.labels.shape[1:]
    for axis in sorted(range(sample.ndim), key=lambda axis: (-shape[axis], -axis)):
        n_held = shape[axis] // HELD_OUT
        cut = shape[axis] - n_held
        for large, small in (
            (slice(cut), slice(cut, None)),
            (slice(n_held, None), slice(n_held)),
        ):
            index = [slice(None)] * sample.ndim
            parts = []
            for piece in (large, small):
                index[axis] = piece
                part = _with_labels(sample.part(*index))
                if part is not None and tells_apart(part):
                    parts.append(part)
            if len(parts) == 2:
                return parts[0], parts[1]
    return None


def tells_apart(sample: Sample) -> bool:
    """Return whether an annotator gave two labels, so that one can be wrong.

    Superpixels of anything else are all right: there is nothing to learn from it, and
    nothing to measure.
    """
    for labels in sample.labels:
        given = (
            labels if sample.unlabelled is None else labels[labels != sample.unlabelled]
        )
        if given.size and (given != given.flat[0]).any():
            return True
    return False


def for_validation(samples: list[Sample], most: Mapping[int, int]) -> list[Sample]:
    """Return boxes of samples that are quick to look at, of those that tell something.

    Parameters
    ----------
    samples : list of Sample
    most : dict of int to int
        How many pixels along each axis, by the number of axes.
    """
    boxes = [most_labelled(sample, most[sample.ndim]) for sample in samples]
    return [box for box in boxes if tells_apart(box)]


def most_labelled(sample: Sample, most: int) -> Sample:
    """Return a box of a labelled sample, of at most `most` pixels along each axis.

    Axis by axis the one with most pixels at a boundary, or most labelled ones if there
    is no boundary; of equals the first: so there are labels in it, by one annotator at
    least. Annotators without any are left out.
    """
    labels = sample.labels
    wanted: NDArray[np.bool_] = np.zeros(labels.shape[1:], bool)
    if len(sample.boundary):
        wanted.flat[sample.boundary] = True
    elif sample.unlabelled is None:
        wanted[:] = True
    else:
        wanted = (labels != sample.unlabelled).any(axis=0)
    box: list[slice | int] = []
    for axis, length in enumerate(wanted.shape):
        others = tuple(a for a in range(wanted.ndim) if a != axis)
        before = np.concatenate([[0], np.cumsum(wanted.sum(axis=others))])
        width = min(most, length)
        start = int(np.argmax(before[width:] - before[:-width]))
        box.append(slice(start, start + width))
        wanted = np.moveaxis(np.moveaxis(wanted, axis, 0)[box[-1]], 0, axis)
    found = _with_labels(sample.part(*box))
    assert found is not None  # the sample has labels
    return found


def flattened(samples: list[Sample]) -> list[Sample]:
    """Return volumes of one plane, row or column as the images that they are.

    If there are other volumes, all samples stay as they are: a network learns from one
    sort.
    """
    images = [_as_image(sample) for sample in samples]
    return images if all(image.ndim == 2 for image in images) else samples


def _as_image(sample: Sample) -> Sample:
    """Return a volume without its axis of length 1, if it has one."""
    shape = sample.labels.shape[1:]
    if sample.ndim == 2 or 1 not in shape:
        return sample
    return _plane(sample, shape.index(1), 0)


def _plane(sample: Sample, axis: int, number: int) -> Sample:
    index: list[slice | int] = [slice(None)] * 3
    index[axis] = number
    return sample.part(*index)


def in_proportion(plane: Sample) -> Sample:
    """Return an image stretched as a network for images sees it in a prediction.

    What lies between two pixels has the labels of the nearer one.
    """
    stretch = (1, 1) if plane.spacing is None else stretch_of(*plane.spacing)
    if stretch == (1, 1):
        return plane
    codes = stretch_planes(plane.codes[np.newaxis].astype(np.float32), stretch)[0]
    labels = plane.labels
    for axis, factor in enumerate(stretch):
        n = (labels.shape[1 + axis] - 1) * factor + 1
        labels = labels.take((np.arange(n) + factor // 2) // factor, 1 + axis)
    codes = np.rint(codes).astype(np.uint8)
    return dataclasses.replace(plane, codes=codes, labels=labels, spacing=None)


def planes_of(samples: list[Sample], most: int | None = None) -> list[Sample]:
    """Return the labelled planes of volumes as images, seen from all three sides.

    That is how a network for images looks at a volume, at its true proportions. From
    sides where planes are thinner than `THIN` of its pixels it would learn little, so
    these are left out unless they are all there is. Images stay images, and so does a
    volume of a single plane, row or column.

    Parameters
    ----------
    samples : list of Sample
    most : int, optional
        Use at most about this many planes of a volume: of each side as many, at even
        distances.

    Returns
    -------
    planes : list of Sample
        The planes of a volume share its share by how many pixels are labelled in
        them. So all sides count the same, however many planes they have.
    """
    images = []
    for sample in map(_as_image, samples):
        if sample.ndim == 2:
            images.append(in_proportion(sample))
            continue
        shape = sample.labels.shape[1:]
        sides = [axis for axis in range(3) if _width_across(sample, axis) >= THIN]
        sides = sides or [0, 1, 2]
        planes: list[Sample] = []
        for axis in sides:
            found = [_with_labels(_plane(sample, axis, i)) for i in range(shape[axis])]
            side = [plane for plane in found if plane is not None]
            if most is not None:
                side = side[:: -(-len(side) // max(1, most // len(sides)))]
            planes += side
        n_labelled = [np.count_nonzero(_is_labelled(plane)) for plane in planes]
        whole = sum(n_labelled)
        images += [
            in_proportion(dataclasses.replace(plane, share=sample.share * n / whole))
            for plane, n in zip(planes, n_labelled, strict=True)
        ]
    return images


def _width_across(volume: Sample, axis: int) -> int:
    """Return how many pixels wide planes across an axis are, at true proportions."""
    plane = _plane(volume, axis, 0)
    stretch = (1, 1) if plane.spacing is None else stretch_of(*plane.spacing)
    lengths = zip(plane.labels.shape[1:], stretch, strict=True)
    return min(int(length - 1) * factor + 1 for length, factor in lengths)


def _labelled(sample: Sample, where: str) -> Sample:
    """Return a sample without annotators who labelled nothing, or raise if all did."""
    found = _with_labels(sample)
    if found is None:
        raise ValueError(f"{where}: no pixel is labelled; label some.")
    return found


def _with_labels(sample: Sample) -> Sample | None:
    """Return a sample without annotators who labelled nothing; None if all did."""
    labels = sample.labels
    if labels.size == 0:
        return None
    if sample.unlabelled is None:
        return sample
    pixels = tuple(range(1, labels.ndim))
    has_some = _is_labelled(sample).any(axis=pixels)
    if has_some.all():
        return sample
    if not has_some.any():
        return None
    return dataclasses.replace(sample, labels=labels[has_some])


def _is_labelled(sample: Sample) -> NDArray[np.bool_]:
    """Return where each annotator has labelled something."""
    if sample.unlabelled is None:
        return np.ones(sample.labels.shape, bool)
    found: NDArray[np.bool_] = sample.labels != sample.unlabelled
    return found
