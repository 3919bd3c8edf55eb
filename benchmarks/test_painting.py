"""A step of the Superpixel painter on 4 megapixels, beside napari's own part of it.

Needs a screen. Run ``tox -e bench``.
"""

from __future__ import annotations

import numpy as np
import pytest

from napari_paf.painting import SuperpixelPixels, crossed, paintable

napari = pytest.importorskip("napari")


@pytest.fixture(scope="module")
def superpixels():
    """Return squares of 22 x 22 pixels, about 515 pixels a superpixel."""
    numbers = np.arange(1, 91 * 91 + 1).reshape(91, 91)
    return np.kron(numbers, np.ones((22, 22), int))[:2000, :2000].astype(np.uint16)


def test_our_part_of_a_step(benchmark, superpixels):
    pixels = SuperpixelPixels(superpixels)
    target = np.zeros_like(superpixels)

    def step():
        found = pixels.of(crossed(superpixels, (1000, 900), (1010, 960)))
        where = np.unravel_index(found, superpixels.shape)
        return paintable(target[where], 3)

    assert benchmark(step).any()


def test_napari_part_of_a_step(benchmark, superpixels):
    pixels = SuperpixelPixels(superpixels)
    layer = napari.layers.Labels(np.zeros_like(superpixels))
    found = pixels.of(crossed(superpixels, (1000, 900), (1010, 960)))
    where = np.unravel_index(found, superpixels.shape)
    label = 0

    def step():
        nonlocal label
        label = label % 9 + 1
        layer.data_setitem(where, label)

    benchmark(step)


def test_finding_the_pixels_of_all_superpixels(benchmark, superpixels):
    benchmark(SuperpixelPixels, superpixels)
