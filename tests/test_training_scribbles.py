"""Training from a few strokes in large images: where they lie does not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_paf import train_affinity
from napari_paf.training import validation
from napari_paf.training.pairs import hold_out, most_labelled, tells_apart
from napari_paf.training.sampling import make_sample

SCRIBBLES = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=3, max_dims=4, min_side=1, max_side=9),
    elements=st.sampled_from([0, 0, 0, 1, 2]),
)


@given(SCRIBBLES.filter(np.any), st.integers(1, 10))
def test_the_part_with_most_labels(labels, most):
    image = np.arange(labels[0].size, dtype=float).reshape(1, *labels.shape[1:])
    sample = make_sample(image, labels, unlabelled=0)
    part = most_labelled(sample, most)
    assert part.labels.shape[1:] == tuple(min(most, n) for n in labels.shape[1:])
    assert part.labels.any(axis=tuple(range(1, labels.ndim))).all()
    # Image and labels of every annotator who is left are those of one and the same box.
    boxes = np.lib.stride_tricks.sliding_window_view(
        sample.codes[0], part.labels.shape[1:]
    )
    corners = [
        corner
        for corner in np.ndindex(boxes.shape[: labels.ndim - 1])
        if (boxes[corner] == part.codes[0]).all()
    ]
    windows = [
        labels[
            :,
            *(
                slice(c, c + n)
                for c, n in zip(corner, part.codes.shape[1:], strict=True)
            ),
        ]
        for corner in corners
    ]
    with_labels = [[a for a in window if a.any()] for window in windows]
    assert any(np.array_equal(window, part.labels) for window in with_labels)
    # Along the first axis no other slab has more of a boundary, or more labels.
    n = part.labels.shape[1]
    found = np.zeros(labels.shape[1:], bool)
    found.flat[sample.boundary] = True
    found = found if found.any() else labels.any(axis=0)
    found = found.reshape(labels.shape[1], -1).sum(axis=1)
    slabs = [found[i : i + n].sum() for i in range(len(found) - n + 1)]
    assert max(slabs) in [slabs[corner[0]] for corner in corners]


def test_dense_labels_are_taken_where_the_boundary_is():
    labels = np.zeros((40, 50), int)
    labels[30:34, 35:40] = 1
    part = most_labelled(make_sample(labels[None].astype(float), labels), 12)
    assert part.labels.sum() == 4 * 5


def test_dense_labels_are_taken_from_the_start():
    labels = np.arange(80).reshape(8, 10)
    part = most_labelled(make_sample(labels[None].astype(float), labels), 6)
    np.testing.assert_array_equal(part.labels[0], labels[:6, :6])


@pytest.fixture
def small_window(monkeypatch):
    """Validation looks at 24 pixels along each axis instead of 512."""
    monkeypatch.setitem(validation.LARGEST, 2, 24)


def scribbled(side=160, *, at=(100, 150)):
    """Return an image of two halves, and strokes in both, far from the origin."""
    image = np.zeros((side, side), np.uint8)
    image[:, side * 45 // 64 :] = 200
    labels = np.zeros((side, side), np.uint8)
    for row in at:
        labels[row, side * 5 // 8 : side * 11 // 16] = 1
        labels[row, side * 23 // 32 : side * 3 // 4] = 2
    return image, labels


def last_event(pairs, **settings):
    *_, last = train_affinity(
        pairs, steps=2, event_every=1, batch=2, size=32, device="cpu", **settings
    )
    return last


@pytest.mark.parametrize("n_images", [1, 5])
def test_strokes_anywhere(small_window, n_images):
    last = last_event([scribbled()] * n_images, unlabelled=0)
    assert 0 < last.best <= 1


def test_strokes_anywhere_in_what_is_for_validation(small_window):
    image, labels = scribbled(at=(140,))
    last = last_event([(image, labels)], unlabelled=0, validation=[(image, labels)])
    assert 0 < last.best <= 1


def test_an_annotator_who_labelled_nothing(small_window):
    image, labels = scribbled()
    both = np.stack([np.zeros_like(labels), labels])
    alone = last_event([(image, labels)], unlabelled=0)
    together = last_event([(image, both)], unlabelled=0)
    for name, value in alone.model.network.state_dict().items():
        assert (together.model.network.state_dict()[name] == value).all()


def test_a_part_without_labels_is_not_held_out():
    sample = make_sample(np.zeros((1, 20, 20)), scribbled(20, at=(3,))[1], unlabelled=0)
    assert hold_out([sample]) == ([sample], [])


def halves(rows, columns, unlabelled=None):
    """Return a sample with two labels in a part, and background elsewhere."""
    labels = np.zeros((50, 60), np.uint8)
    labels[rows, columns] = 1
    labels[rows, columns][:, ::2] = 2
    return make_sample(np.zeros((1, 50, 60)), labels, unlabelled=unlabelled)


@pytest.mark.parametrize("unlabelled", [None, 0])
@pytest.mark.parametrize(
    ("rows", "columns", "held"),
    [
        (slice(None), slice(None), (slice(None), slice(48, None))),
        (slice(None), slice(0, 40), (slice(None), slice(0, 12))),  # not the last fifth
        (slice(None), slice(20, 40), (slice(40, None), slice(None))),  # the other axis
        (slice(0, 25), slice(20, 40), (slice(0, 10), slice(None))),
        (slice(20, 25), slice(20, 40), None),
    ],
)
def test_what_is_held_out_tells_something(rows, columns, held, unlabelled):
    sample = halves(rows, columns, unlabelled)
    (learning,), validation = hold_out([sample])
    assert tells_apart(learning)
    if held is None:
        assert validation == []
        assert learning is sample
        return
    (part,) = validation
    np.testing.assert_array_equal(part.labels, sample.labels[:, *held])
    assert learning.labels.size + part.labels.size == sample.labels.size


def test_whole_images_that_are_held_out_tell_something():
    empty = make_sample(np.zeros((1, 50, 60)), np.zeros((50, 60), int))
    full = [halves(slice(None), slice(None)) for _ in range(6)]
    samples = [empty, *full, empty, empty]
    learning, validation = hold_out(samples)
    assert validation == [full[4]]
    assert len(learning) == len(samples) - 1


@given(SCRIBBLES.filter(np.any))
def test_two_labels_tell_something(labels):
    sample = make_sample(labels[:1].astype(float), labels, unlabelled=0)
    expected = any(len(set(one[one > 0].tolist())) > 1 for one in labels)
    assert tells_apart(sample) == expected


def test_validation_that_tells_nothing_is_refused_at_once():
    image, labels = scribbled()
    with pytest.raises(ValueError, match="no image has two labels"):
        last_event([(image, labels)], validation=[(image, labels > 0)], unlabelled=0)
    alone = [(image, labels), (image, labels > 0)]
    last_event([(image, labels)], validation=alone, unlabelled=0)


def test_an_image_without_labels_is_refused():
    image, labels = scribbled()
    for pair in [
        (image, labels * 0),
        make_sample(image[None], labels * 0, unlabelled=0),
    ]:
        with pytest.raises(ValueError, match=r"pairs\[1\]: no pixel is labelled"):
            train_affinity([(image, labels), pair], unlabelled=0)
