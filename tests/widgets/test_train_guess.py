"""Which labels go with which image, by name and shape."""

from __future__ import annotations

import pytest

from napari_paf.widgets.train.guess import Candidate, guess_pairs


def guess(images, labels):
    """Return pairs of names."""
    pairs = guess_pairs(
        [Candidate(name, shape) for name, shape in images],
        [Candidate(name, shape) for name, shape in labels],
    )
    return [(images[i][0], labels[j][0]) for i, j in pairs]


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("cells", "cells labels"),
        ("cells", "cells_mask"),
        ("cells.tif", "Cells ground truth"),
        ("img_01", "mask_01"),
        ("img_1", "mask_001"),
        ("day 2 raw", "day 2 GT"),
        ("cellImage", "cellLabels"),
        ("cells [1]", "cells labels [1]"),
    ],
)
def test_names_that_belong_together(image, labels):
    size = (8, 9)
    others = [("else", size), ("other 7 labels", size)]
    assert guess([others[0], (image, size)], [others[1], (labels, size)]) == [
        (image, labels)
    ]


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("cells", "cells superpixels"),
        ("cells", "nuclei labels"),
        ("cells 1", "cells 2 labels"),
        ("cells", "cells training preview"),
    ],
)
def test_names_that_do_not(image, labels):
    size = (8, 9)
    images = [(image, size), ("else", size)]
    assert (image, labels) not in guess(images, [(labels, size), ("x labels", size)])


def test_shapes_must_fit_and_decide_where_names_do_not():
    images = [("a", (4, 4)), ("b", (5, 5))]
    assert guess(images, [("a labels", (5, 4))]) == []
    assert guess(images, [("painted", (5, 5))]) == [("b", "painted")]
    assert guess(images, [("painted", (5, 5)), ("drawn", (5, 5))]) == []


def test_the_better_name_wins_and_nothing_is_used_twice():
    size = (8, 9)
    images = [("cells", size), ("cells red", size)]
    labels = [("cells red labels", size), ("cells labels", size)]
    assert guess(images, labels) == [
        ("cells", "cells labels"),
        ("cells red", "cells red labels"),
    ]
    assert guess(images, labels[:1]) == [("cells red", "cells red labels")]


def test_computed_layers_are_no_truth():
    images = [Candidate("cells", (8, 9))]
    assert not guess_pairs(images, [Candidate("cells labels", (8, 9), derived=True)])
