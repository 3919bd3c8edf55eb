"""Leaking pixels, beside plain loops and the accuracy they take away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_paf.leaks import leaking_pixels
from napari_paf.metrics import achievable_segmentation_accuracy


def by_hand(labels, truth, unlabelled, mask):
    """Give every superpixel to the segment it overlaps most, pixel by pixel."""
    leaking = np.zeros(labels.shape)
    counted = [
        place
        for place in np.ndindex(labels.shape)
        if mask[place] and (unlabelled is None or truth[place] != unlabelled)
    ]
    for label in {labels[place] for place in counted}:
        own = [place for place in counted if labels[place] == label]
        segments = [truth[place] for place in own]
        most = min(set(segments), key=lambda s: (-segments.count(s), s))
        for place in own:
            leaking[place] = truth[place] != most
    return leaking


@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_as_by_hand(seed, sparse, volume):
    rng = np.random.default_rng(seed)
    shape = (2, 4, 5) if volume else (5, 6)
    # Ids as napari has them in the worst case: above 2**31, and far apart.
    ids = rng.choice([1, 7, 2**31, 2**31 + 5, 2**32 - 1], 3, replace=False)
    labels = rng.choice(ids, shape).astype(np.uint32)
    truths = [rng.integers(0, 3, shape) for _ in range(rng.integers(1, 4))]
    mask = rng.random(shape) < 0.8
    mask.flat[0] = True
    unlabelled = 0 if sparse else None
    for truth in truths:
        truth.flat[0] = 1
    leaking = leaking_pixels(labels, truths, unlabelled=unlabelled, mask=mask)
    expected = np.mean([by_hand(labels, t, unlabelled, mask) for t in truths], axis=0)
    np.testing.assert_allclose(leaking, expected, atol=1e-6)
    assert leaking.dtype == np.float32


def test_takes_from_the_accuracy_what_it_shows():
    rng = np.random.default_rng(5)
    labels, truth = rng.integers(1, 90, (2, 60, 70))
    share = leaking_pixels(labels, truth).mean()
    accuracy = achievable_segmentation_accuracy(labels, truth)
    assert share == pytest.approx(1 - accuracy, abs=1e-6)


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="give ground truth of the same shape"):
        leaking_pixels(np.ones((3, 4), int), np.ones((4, 4), int))
