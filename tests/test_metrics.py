"""Quality measures, against plain loops written from the definitions."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_paf import metrics

MEASURES = [
    metrics.achievable_segmentation_accuracy,
    metrics.undersegmentation_error,
    metrics.boundary_recall,
    metrics.boundary_precision,
    metrics.achievable_iou,
]


# The definitions, pixel by pixel ------------------------------------------------


def pixels(shape):
    return list(product(*map(range, shape)))


def regions(labels, where):
    """Map each label to its set of pixels among `where`."""
    found = {}
    for p in where:
        found.setdefault(int(labels[p]), set()).add(p)
    return found


def slow_accuracy(labels, truth, where):
    superpixels, segments = regions(labels, where), regions(truth, where)
    best = sum(max(len(s & g) for g in segments.values()) for s in superpixels.values())
    return best / len(where)


def slow_undersegmentation(labels, truth, where):
    superpixels, segments = regions(labels, where), regions(truth, where)
    leaks = sum(
        min(len(s & g), len(s - g))
        for g in segments.values()
        for s in superpixels.values()
        if s & g
    )
    return leaks / len(where)


def slow_boundary(labels, where):
    marked = set()
    for p in where:
        for axis in range(len(p)):
            q = p[:axis] + (p[axis] + 1,) + p[axis + 1 :]
            if q in where and labels[p] != labels[q]:
                marked.add(p)
    return marked


def slow_recall(labels, truth, where, tolerance):
    where = set(where)
    found, true = slow_boundary(labels, where), slow_boundary(truth, where)
    if not true:
        return 1.0
    near = {
        p
        for p in true
        if any(max(map(abs, np.subtract(p, q))) <= tolerance for q in found)
    }
    return len(near) / len(true)


def slow_iou(labels, truth, where, background, min_size):
    segments = regions(truth, where)
    given_to = {g: set() for g in segments}
    for s in regions(labels, where).values():
        overlaps = {g: len(s & segments[g]) for g in segments}
        winner = min(g for g in segments if overlaps[g] == max(overlaps.values()))
        given_to[winner] |= s
    scores = [
        len(segments[g] & given_to[g]) / len(segments[g] | given_to[g])
        for g in segments
        if g != background and len(segments[g]) >= min_size
    ]
    return sum(scores) / len(scores) if scores else math.nan


def slow_compactness(labels, where):
    where = set(where)
    total = 0.0
    for s in regions(labels, where).values():
        faces = sum(
            p[:axis] + (p[axis] + step,) + p[axis + 1 :] not in s
            for p in s
            for axis in range(labels.ndim)
            for step in (-1, 1)
        )
        if labels.ndim == 2:
            quotient = 4 * math.pi * len(s) / faces**2
        else:
            quotient = 36 * math.pi * len(s) ** 2 / faces**3
        total += len(s) * quotient
    return total / len(where)


def slow_variation(labels, image, where):
    """`image` has its channels last."""
    mean = np.mean([image[p] for p in where], axis=0)
    total = sum(float(((image[p] - mean) ** 2).sum()) for p in where)
    if total == 0:
        return 1.0
    between = 0.0
    for s in regions(labels, where).values():
        inner = np.mean([image[p] for p in s], axis=0)
        between += len(s) * float(((inner - mean) ** 2).sum())
    return between / total


# Cases --------------------------------------------------------------------------

shapes = st.one_of(
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
)


@st.composite
def cases(draw):
    """Superpixels, ground truth, mask (or None) and unlabelled value (or None)."""
    shape = draw(shapes)
    spread = draw(st.sampled_from([1, 10**6]))  # dense labels, and far apart
    labels = draw(arrays(np.int64, shape, elements=st.integers(-1, 4))) * spread
    truth = draw(arrays(np.uint16, shape, elements=st.integers(0, 3)))
    mask = draw(st.none() | arrays(bool, shape))
    unlabelled = draw(st.none() | st.integers(0, 3))
    inside = np.ones(shape, bool) if mask is None else mask
    known = inside if unlabelled is None else inside & (truth != unlabelled)
    if not known.any():
        mask = unlabelled = None
        inside = known = np.ones(shape, bool)
    where = [p for p in pixels(shape) if known[p]]
    return labels, truth, {"mask": mask, "unlabelled": unlabelled}, where


@given(cases())
def test_region_measures_equal_plain_loops(case):
    labels, truth, options, where = case
    assert metrics.achievable_segmentation_accuracy(
        labels, truth, **options
    ) == pytest.approx(slow_accuracy(labels, truth, where), rel=1e-12)
    assert metrics.undersegmentation_error(labels, truth, **options) == pytest.approx(
        slow_undersegmentation(labels, truth, where), rel=1e-12
    )


@given(cases(), st.integers(0, 2))
def test_boundary_measures_equal_plain_loops(case, tolerance):
    labels, truth, options, where = case
    assert metrics.boundary_recall(
        labels, truth, tolerance=tolerance, **options
    ) == pytest.approx(slow_recall(labels, truth, where, tolerance), rel=1e-12)
    assert metrics.boundary_precision(
        labels, truth, tolerance=tolerance, **options
    ) == pytest.approx(slow_recall(truth, labels, where, tolerance), rel=1e-12)


@given(cases(), st.none() | st.integers(0, 3), st.integers(0, 6))
def test_achievable_iou_equals_plain_loops(case, background, min_size):
    labels, truth, options, where = case
    assert metrics.achievable_iou(
        labels, truth, background=background, min_size=min_size, **options
    ) == pytest.approx(
        slow_iou(labels, truth, where, background, max(min_size, 1)),
        rel=1e-12,
        nan_ok=True,
    )


@given(shapes.flatmap(lambda s: arrays(np.uint8, s, elements=st.integers(0, 4))))
def test_compactness_equals_plain_loops(labels):
    everywhere = pixels(labels.shape)
    assert metrics.compactness(labels) == pytest.approx(
        slow_compactness(labels, everywhere), rel=1e-12
    )
    if labels.any():
        inside = [p for p in everywhere if labels[p]]
        assert metrics.compactness(labels, mask=labels > 0) == pytest.approx(
            slow_compactness(labels, inside), rel=1e-12
        )


@given(st.data())
def test_explained_variation_equals_plain_loops(data):
    shape = data.draw(shapes)
    labels = data.draw(arrays(np.uint8, shape, elements=st.integers(0, 4)))
    n_channels = data.draw(st.integers(1, 3))
    image = data.draw(arrays(np.int16, (*shape, n_channels)))
    expected = slow_variation(labels, image.astype(float), pixels(shape))
    for axis in range(-1, len(shape)):
        moved = np.moveaxis(image, -1, axis)
        found = metrics.explained_variation(labels, moved, channel_axis=axis)
        assert found == pytest.approx(expected, abs=1e-9)
    if n_channels == 1:
        found = metrics.explained_variation(labels, image[..., 0])
        assert found == pytest.approx(expected, abs=1e-9)


# Properties ---------------------------------------------------------------------


@given(cases())
def test_perfect_superpixels_get_perfect_scores(case):
    _, truth, options, _ = case
    assert metrics.achievable_segmentation_accuracy(truth, truth, **options) == 1
    assert metrics.undersegmentation_error(truth, truth, **options) == 0
    assert metrics.boundary_recall(truth, truth, **options) == 1
    assert metrics.boundary_precision(truth, truth, **options) == 1
    iou = metrics.achievable_iou(truth, truth, background=None, min_size=1, **options)
    assert iou == 1


@given(cases())
def test_finer_superpixels_are_never_less_accurate(case):
    labels, truth, options, _ = case
    finer = labels * 2 + np.indices(labels.shape).sum(axis=0) % 2
    coarse = metrics.achievable_segmentation_accuracy(labels, truth, **options)
    fine = metrics.achievable_segmentation_accuracy(finer, truth, **options)
    assert fine >= coarse - 1e-12


@given(cases())
def test_names_of_labels_do_not_matter(case):
    labels, truth, options, _ = case
    renamed = np.uint64(2**63) + (labels.max() - labels).astype(np.uint64)
    for measure in MEASURES[:-1]:
        assert measure(labels, truth, **options) == measure(renamed, truth, **options)


def test_evaluate_gathers_the_single_measures():
    rng = np.random.default_rng(0)
    labels = rng.integers(1, 9, (12, 15)).repeat(4, 0).repeat(3, 1)
    truths = [rng.integers(0, 3, (6, 5)).repeat(8, 0).repeat(9, 1) for _ in range(3)]
    image = rng.random((3, *labels.shape))
    found = metrics.evaluate(
        labels, truths, image=image, channel_axis=0, tolerance=2, min_size=100
    )
    each = [
        {
            "achievable_segmentation_accuracy": slow_accuracy(*pair),
            "boundary_recall": slow_recall(*pair, 2),
            "boundary_precision": slow_recall(pair[1], pair[0], pair[2], 2),
            "undersegmentation_error": slow_undersegmentation(*pair),
            "achievable_iou": slow_iou(*pair, 0, 100),
        }
        for truth in truths
        for pair in [(labels, truth, pixels(labels.shape))]
    ]
    expected = {name: np.mean([one[name] for one in each]) for name in each[0]}
    expected["n_segments"] = 8
    expected["compactness"] = slow_compactness(labels, pixels(labels.shape))
    expected["explained_variation"] = slow_variation(
        labels, np.moveaxis(image, 0, -1), pixels(labels.shape)
    )
    assert found == pytest.approx(expected, rel=1e-9)
    assert next(iter(found)) == "n_segments"


@pytest.mark.parametrize("measure", MEASURES)
def test_annotators_may_be_stacked_or_listed(measure):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 5, (20, 20))
    truths = rng.integers(0, 3, (4, 20, 20))
    mean = np.mean([measure(labels, truth) for truth in truths])
    assert measure(labels, truths) == pytest.approx(mean)
    assert measure(labels, list(truths)) == pytest.approx(mean)
    assert measure(labels.tolist(), truths.tolist()) == pytest.approx(mean)


def test_annotators_without_objects_do_not_count():
    labels = np.arange(64).reshape(8, 8)
    nothing, everything = np.zeros((8, 8), int), np.ones((8, 8), int)
    assert metrics.achievable_iou(labels, [nothing, everything]) == 1
    assert math.isnan(metrics.achievable_iou(labels, nothing))


def test_byte_order_and_layout_do_not_matter():
    rng = np.random.default_rng(2)
    labels, truth = rng.integers(0, 9, (2, 30, 40))
    other = np.asfortranarray(labels.astype(">u4"))
    other.flags.writeable = False
    assert metrics.evaluate(other, truth.astype(">i2")) == metrics.evaluate(
        labels, truth
    )


@pytest.mark.parametrize("value", [0.1, 1e300, -7])
def test_constant_images_are_fully_explained(value):
    labels = np.arange(35).reshape(5, 7) % 3
    assert metrics.explained_variation(labels, np.full((5, 7), value)) == 1


# Errors -------------------------------------------------------------------------

SQUARE = np.ones((4, 4), int)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: metrics.compactness(SQUARE * 0.5),
            TypeError,
            "labels of dtype float64",
        ),
        (lambda: metrics.compactness([1, 2]), ValueError, r"labels of shape \(2,\)"),
        (lambda: metrics.compactness(SQUARE[:0]), ValueError, "empty"),
        (
            lambda: metrics.compactness(SQUARE, mask=SQUARE * 0),
            ValueError,
            "no pixel is inside",
        ),
        (
            lambda: metrics.boundary_recall(SQUARE, SQUARE[:3]),
            ValueError,
            r"truth of shape \(3, 4\): labels have shape \(4, 4\)",
        ),
        (lambda: metrics.evaluate(SQUARE, []), ValueError, "truth is empty"),
        (
            lambda: metrics.evaluate(SQUARE, SQUARE * 1.5),
            TypeError,
            "truth of dtype float64",
        ),
        (
            lambda: metrics.evaluate(SQUARE, SQUARE, unlabelled=1),
            ValueError,
            r"every pixel is unlabelled \(1\)",
        ),
        (
            lambda: metrics.evaluate(SQUARE, [SQUARE, SQUARE[None]]),
            ValueError,
            r"truth of shapes \(4, 4\), \(1, 4, 4\): labels have shape \(4, 4\)",
        ),
        (
            lambda: metrics.boundary_recall(SQUARE, SQUARE, tolerance=-1),
            ValueError,
            "tolerance=-1",
        ),
        (
            lambda: metrics.boundary_precision(SQUARE, SQUARE, tolerance=0.5),
            TypeError,
            "tolerance=0.5",
        ),
        (
            lambda: metrics.explained_variation(SQUARE, SQUARE, channel_axis=2),
            ValueError,
            "channel_axis=2: the image has 2 axes",
        ),
        (
            lambda: metrics.explained_variation(SQUARE, SQUARE[:2]),
            ValueError,
            r"image of shape \(2, 4\)",
        ),
        (
            lambda: metrics.explained_variation(SQUARE, SQUARE * 1j),
            TypeError,
            "complex",
        ),
        (
            lambda: metrics.explained_variation(SQUARE, SQUARE * np.nan),
            ValueError,
            "16 of the values",
        ),
    ],
)
def test_errors_name_argument_value_and_remedy(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_image_that_does_not_fit_is_told_at_once(monkeypatch):
    monkeypatch.setattr(metrics, "agreements", lambda *_: pytest.fail("too late"))
    for image in (SQUARE[:3], SQUARE * np.nan):
        with pytest.raises(ValueError, match="image"):
            metrics.evaluate(SQUARE, SQUARE, image=image)


def test_a_tolerance_beyond_the_image_finds_everything():
    labels, truth = np.array([[1, 1, 1, 2]]), np.array([[1, 2, 2, 2]])
    for tolerance in (2, 4, 2**31, 2**70):
        assert metrics.boundary_recall(labels, truth, tolerance=tolerance) == 1


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e308, 1e-300])
def test_explained_variation_at_any_scale(scale):
    labels, image = [[1, 1, 2, 2]], np.array([[0.0, 1, 0, 1]])
    assert metrics.explained_variation(labels, image * scale) == 0
    image[0, 2] = 1
    expected = metrics.explained_variation(labels, image)
    found = metrics.explained_variation(labels, image * scale)
    assert found == pytest.approx(expected)
    # Of two channels, one may be far smaller than the other.
    both = np.stack([image * scale, image[:, ::-1] * scale * 1e-3])
    small = np.stack([image, image[:, ::-1] * 1e-3])
    assert metrics.explained_variation(labels, both, channel_axis=0) == pytest.approx(
        metrics.explained_variation(labels, small, channel_axis=0)
    )


@pytest.mark.parametrize("wrong", ["0", 0.5, [0, 1]])
@pytest.mark.parametrize("name", ["unlabelled", "background", "min_size"])
def test_labels_in_arguments_are_integers(name, wrong):
    with pytest.raises(TypeError, match=f"{name}="):
        metrics.evaluate(SQUARE, SQUARE, **{name: wrong})


@pytest.mark.parametrize("wrong", ["a", 0.5, True])
def test_the_channel_axis_is_an_integer(wrong):
    with pytest.raises(TypeError, match=f"channel_axis={wrong!r}"):
        metrics.explained_variation(SQUARE, SQUARE, channel_axis=wrong)
