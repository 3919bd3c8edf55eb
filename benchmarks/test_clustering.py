"""Entropy-rate clustering beside scikit-image's superpixels, on the same pictures.

Run ``tox -e bench``.
"""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2gray
from skimage.filters import sobel
from skimage.segmentation import felzenszwalb, slic, watershed

from napari_paf import (
    entropy_rate_hierarchy,
    entropy_rate_superpixels,
    superpixels,
)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_entropy_rate(benchmark, problem, n_threads):
    _, affinity, n_segments = problem
    entropy_rate_superpixels(affinity[:, :64, :64], 10)  # compile
    labels = benchmark(
        entropy_rate_superpixels, affinity, n_segments, n_threads=n_threads
    )
    assert labels.max() == n_segments


def test_hierarchy(benchmark, problem):
    _, affinity, n_segments = problem
    entropy_rate_hierarchy(affinity[:, :64, :64], 10)
    benchmark(entropy_rate_hierarchy, affinity, n_segments, n_threads=2)


def test_labels_of_a_hierarchy(benchmark, problem):
    _, affinity, n_segments = problem
    hierarchy = entropy_rate_hierarchy(affinity, n_segments)
    benchmark(hierarchy.labels, n_segments // 2)


def test_whole_pipeline(benchmark, problem):
    image, _, n_segments = problem
    superpixels(image[:64, :64], 10, channel_axis=-1)
    benchmark(superpixels, image, n_segments, channel_axis=-1)


def test_slic(benchmark, problem):
    image, _, n_segments = problem
    benchmark(slic, image, n_segments)


def test_compact_watershed(benchmark, problem):
    image, _, n_segments = problem

    def run():
        return watershed(sobel(rgb2gray(image)), n_segments, compactness=0.001)

    benchmark(run)


def test_felzenszwalb(benchmark, problem):
    image, *_ = problem
    benchmark(felzenszwalb, image, scale=100)


@pytest.mark.benchmark(group="volume of 64 x 128 x 128 voxels")
@pytest.mark.parametrize("connectivity", [1, 2, 3])
def test_volume(benchmark, connectivity):
    affinity = np.random.default_rng(0).random((3, 64, 128, 128), np.float32)
    entropy_rate_superpixels(affinity[:, :8, :8, :8], 10, connectivity=connectivity)
    benchmark(entropy_rate_superpixels, affinity, 2000, connectivity=connectivity)
