"""Which pixels strokes take, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_paf.painting import SuperpixelPixels, crossed, paintable, same_area

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


@given(label_images, st.data())
@settings(deadline=None)
def test_pixels_after_changes(labels: np.ndarray, data: st.DataObject) -> None:
    pixels = SuperpixelPixels(labels)
    present = [int(label) for label in np.unique(labels) if label]
    if not present:
        return
    label = data.draw(st.sampled_from(present))
    touched = pixels.of([label])
    new = data.draw(
        hnp.arrays(labels.dtype, touched.shape, elements=st.sampled_from([label, 9]))
    )
    labels.reshape(-1)[touched] = new
    pixels.changed(touched, [label])
    for other in range(10):
        expected = np.flatnonzero((labels == other) & (labels != 0))
        np.testing.assert_array_equal(pixels.of([other]), expected)


def test_joined_superpixels() -> None:
    labels = np.array([[1, 1, 2, 3]])
    pixels = SuperpixelPixels(labels)
    touched = pixels.of([1, 2])
    labels[labels == 2] = 1
    pixels.changed(touched, [1, 2])
    assert pixels.of([1]).tolist() == [0, 1, 2]
    assert pixels.of([2]).tolist() == []


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


def test_an_area_is_connected() -> None:
    target = np.array([[0, 0, 1, 0], [1, 0, 1, 0]])
    area = same_area(target, (0, 0))
    assert area.tolist() == [[True, True, False, False], [False, True, False, False]]
