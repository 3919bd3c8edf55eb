"""Training from a few strokes in large images: where they lie does not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_paf import train_affinity
from napari_paf.training import validation
from napari_paf.training.pairs import hold_out, most_labelled
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
    # Along the first axis no other slab has more labels.
    n = part.labels.shape[1]
    found = labels.any(axis=0).reshape(labels.shape[1], -1).sum(axis=1)
    slabs = [found[i : i + n].sum() for i in range(len(found) - n + 1)]
    assert max(slabs) in [slabs[corner[0]] for corner in corners]


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
    image[:, side // 2 :] = 200
    labels = np.zeros((side, side), np.uint8)
    for row in at:
        labels[row, 30:60] = 1
        labels[row, 90:150] = 2
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


def test_an_image_without_labels_is_refused():
    image, labels = scribbled()
    for pair in [
        (image, labels * 0),
        make_sample(image[None], labels * 0, unlabelled=0),
    ]:
        with pytest.raises(ValueError, match=r"pairs\[1\]: no pixel is labelled"):
            train_affinity([(image, labels), pair], unlabelled=0)
