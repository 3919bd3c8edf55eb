"""Which pixels strokes take, against brute force."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_paf.painting import (
    SuperpixelPixels,
    crossed,
    paintable,
    painted_whole,
    same_area,
)

label_images = hnp.arrays(
    st.sampled_from([np.uint8, np.uint32, np.int64]),
    hnp.array_shapes(min_dims=1, max_dims=3, max_side=6),
    elements=st.integers(0, 5),
)


@given(label_images, st.lists(st.integers(0, 7), max_size=4, unique=True))
@settings(deadline=None)
def test_pixels_against_a_search(labels: np.ndarray, chosen: list[int]) -> None:
    found = SuperpixelPixels(labels).of(chosen)
    expected = np.flatnonzero(np.isin(labels, chosen) & (labels != 0))
    np.testing.assert_array_equal(found, expected)


def test_large_numbers() -> None:
    labels = np.array([[2**31, 1], [2**31, 2**32 - 1]], np.uint32)
    pixels = SuperpixelPixels(labels)
    assert pixels.of([2**31]).tolist() == [0, 2]
    assert pixels.of([2**32 - 1]).tolist() == [3]


close_to_each_other = st.one_of(
    st.tuples(
        st.just(np.uint64), st.sampled_from([2**53, 2**63 - 2, 2**64 - 4, 2**64 - 5])
    ),
    st.tuples(
        st.just(np.int64),
        st.sampled_from([2**53, 2**63 - 4, -(2**53) - 3, -(2**63), -2]),
    ),
)


@given(close_to_each_other, st.data())
def test_numbers_that_float64_confuses(
    start: tuple[type, int], data: st.DataObject
) -> None:
    dtype, first = start
    numbers = [first + k for k in range(4)]
    images = hnp.arrays(dtype, 12, elements=st.sampled_from([0, *numbers]))
    labels = data.draw(images)
    pixels = SuperpixelPixels(labels.copy())
    # As they were, then with few or many of them changed.
    for _ in range(3):
        for number in (*numbers, first - 1, first + 4, 2**65, -(2**65)):
            expected = [
                k for k, n in enumerate(labels.tolist()) if n == number and number != 0
            ]
            assert pixels.of([number]).tolist() == expected
        some = data.draw(st.lists(st.integers(0, 11), max_size=12))
        labels[some] = data.draw(images)[some]
        pixels.update(labels)
    painted = painted_whole(labels, labels)
    assert painted == {n: [n] for n in sorted(set(labels.tolist()) - {0})}


@pytest.mark.parametrize("other", [np.zeros((2, 2), np.int64), np.zeros(2, np.uint64)])
def test_update_takes_what_fits(other: np.ndarray) -> None:
    pixels = SuperpixelPixels(np.array([[1, 2], [3, 4]], np.uint64))
    with pytest.raises(ValueError, match=r"give \(2, 2\) and uint64, as there were"):
        pixels.update(other)


@given(label_images, st.data())
@settings(deadline=None)
def test_pixels_after_changes(labels: np.ndarray, data: st.DataObject) -> None:
    pixels = SuperpixelPixels(labels.copy())
    # One pixel, or any number of them: few or many have changed.
    for _ in range(data.draw(st.integers(1, 3))):
        where = st.integers(0, labels.size - 1)
        changed = data.draw(st.lists(where, max_size=labels.size))
        labels.reshape(-1)[changed] = data.draw(st.integers(0, 9))
        pixels.update(labels)
        for other in range(1, 10):
            expected = np.flatnonzero(labels == other)
            np.testing.assert_array_equal(pixels.of([other]), expected)


def test_few_changes_in_many_pixels() -> None:
    labels = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((4, 4), np.uint16))
    labels = labels.astype(np.uint16)
    pixels = SuperpixelPixels(labels.copy())
    labels[labels == 6] = 7  # joined
    labels[2, 2] = 0
    labels[9:11, 0] = 60  # split
    pixels.update(labels)
    for number in range(61):
        expected = np.flatnonzero((labels == number) & (labels > 0))
        np.testing.assert_array_equal(pixels.of([number]), expected)


@given(st.tuples(*[st.floats(-3, 12)] * 4))
@settings(deadline=None)
def test_strokes_against_dense_sampling(ends: tuple[float, ...]) -> None:
    labels = np.arange(1, 101).reshape(10, 10)
    labels[4:6, 4:6] = 0
    start, stop = np.array(ends[:2]), np.array(ends[2:])
    found = set(crossed(labels, start, stop).tolist())
    assert 0 not in found
    # Every pixel found is hit by, or next to, a point of the line.
    near = set()
    for t in np.linspace(0, 1, 400):
        centre = np.rint(start + t * (stop - start)).astype(int)
        for step in np.ndindex(3, 3):
            p = centre + np.array(step) - 1
            if (p >= 0).all() and (p < 10).all():
                near.add(int(labels[tuple(p)]))
    assert found <= near
    for end in (start, stop):
        p = np.rint(end).astype(int)
        clear = (np.abs(end - p) < 0.49).all()
        if clear and (p >= 0).all() and (p < 10).all() and labels[tuple(p)]:
            assert labels[tuple(p)] in found


@given(hnp.array_shapes(min_dims=1, max_dims=3, max_side=7), st.data())
@settings(deadline=None)
def test_strokes_from_or_to_outside(
    shape: tuple[int, ...], data: st.DataObject
) -> None:
    """They take what lies on them, and nothing that is a pixel away."""
    labels = np.arange(1, 1 + np.prod(shape)).reshape(shape)  # each pixel tells
    coordinates = st.one_of(
        st.floats(-3, 9),
        st.floats(-3e4, 3e4),
        st.integers(-7, 21).map(lambda half: half / 2),
    )
    points = st.tuples(*[coordinates] * len(shape))
    start, stop = (np.array(data.draw(points)) for _ in range(2))
    found = crossed(labels, start, stop)
    way = stop - start
    pixels = np.transpose(np.unravel_index(np.arange(labels.size), shape))
    part = np.clip((pixels - start) @ way / max(way @ way, 1e-300), 0, 1)
    away = np.abs(start + part[:, None] * way - pixels).max(axis=1)
    assert (away[found - 1] < 1.01).all()
    steps = np.ceil(np.abs(way).max()) + 1
    # Whatever a stroke crosses in the middle is taken.
    middle = np.abs(pixels - start - part[:, None] * way).max(axis=1) < 0.01 / steps
    assert set(labels.ravel()[middle]) <= set(found)


FAR = [1e9, 1e12, 1e15]


@pytest.mark.parametrize("far", FAR)
def test_strokes_to_far_away_points(far: float) -> None:
    labels = np.arange(1, 101).reshape(10, 10)
    row, diagonal = labels[2].tolist(), np.diag(labels).tolist()
    tracemalloc.start()
    try:
        assert crossed(labels, (2, 3), (2, far)).tolist() == row[3:]
        assert crossed(labels, (2, -far), (2, 3)).tolist() == row[:4]
        assert crossed(labels, (2, -far), (2, far)).tolist() == row
        assert crossed(labels, (4, 4), (far, far)).tolist() == diagonal[4:]
        assert crossed(labels, (-far, -far), (far, far)).tolist() == diagonal
        assert crossed(labels, (-far, 3), (far, far)).size == 0
        assert crossed(labels, (far, far), (far, far)).size == 0
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100_000


@given(st.tuples(*[st.floats(0, 9)] * 2), st.floats(0, 2 * np.pi), st.sampled_from(FAR))
@settings(deadline=None)
def test_far_away_points_do_not_bend_a_stroke(
    start: tuple[float, float], angle: float, far: float
) -> None:
    labels = np.arange(1, 101).reshape(10, 10)
    way = np.array([np.cos(angle), np.sin(angle)]) / 2
    found = crossed(labels, start, start + way * far)
    pixels = np.transpose(np.unravel_index(found - 1, labels.shape)) - start
    assert np.abs(pixels @ [-way[1], way[0]]).max() < 0.75 / 2
    assert (pixels @ way).min() > -0.75 / 2
    near = crossed(labels, start, start + way * 40)
    assert abs(len(near) - len(found)) <= 1


@pytest.mark.parametrize(
    ("start", "stop", "match"),
    [
        ((np.nan, 1), (0, 1), r"start=\[nan, 1.0\]: give finite numbers"),
        ((0, 1), (0, -np.inf), r"stop=\[0.0, -inf\]: give finite numbers"),
        ((0, 1), (0, 1e16), r"stop=\[0.0, 1e\+16\]: give finite .* up to 1e\+15"),
        ((0, 1, 2), (0, 1), r"start of shape \(3,\): give one .* of the 2 axes"),
        ((0, 1), 4, r"stop of shape \(\): give one number"),
    ],
)
def test_ends_of_strokes_are_points(start: Any, stop: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        crossed(np.ones((2, 3), int), start, stop)


@pytest.mark.parametrize("erase", [False, True])
@pytest.mark.parametrize("only_unlabelled", [False, True])
@pytest.mark.parametrize("protect", [False, True])
def test_rules(erase: bool, only_unlabelled: bool, protect: bool) -> None:
    now = np.array([0, 1, 2, 3])
    may = paintable(
        now, 2, erase=erase, only_unlabelled=only_unlabelled, protect=protect
    )
    after = np.where(may, 0 if erase else 2, now)
    for old, new in zip(now, after, strict=True):
        other = old not in (0, 2)
        if erase:
            assert new == (old if other and protect else 0)
        elif other:
            assert new == (old if protect or only_unlabelled else 2)
        else:
            assert new == 2


@pytest.mark.parametrize("dtype", ["u1", "i8", "<u2", ">u2", "u8"])
def test_an_area_is_connected(dtype: str) -> None:
    target = np.array([[0, 0, 1, 0], [1, 0, 1, 0]]).astype(dtype)
    area = same_area(target, (0, 0))
    assert area.tolist() == [[True, True, False, False], [False, True, False, False]]


@given(label_images, st.data())
@settings(deadline=None)
def test_painted_whole_against_a_search(
    labels: np.ndarray, data: st.DataObject
) -> None:
    painted = data.draw(
        hnp.arrays(np.uint32, labels.shape, elements=st.sampled_from([0, 1, 2**31]))
    )
    expected: dict[int, list[int]] = {}
    for label in (1, 2**31):
        for number in range(1, 6):
            values = painted[labels == number]
            if values.size and (values == label).all():
                expected.setdefault(label, []).append(number)
    assert painted_whole(labels, painted) == expected
