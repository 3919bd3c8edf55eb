"""Pictures of any size, with the affinities of the default network."""

from __future__ import annotations

import numpy as np
import pytest

from napari_paf import predict_affinity
from napari_paf.samples import load_sample


def picture(rows: int, columns: int) -> np.ndarray:
    """Return a photograph, continued by its mirror images, as (row, column, RGB)."""
    tile = load_sample("natural_chelsea").image
    strip = np.concatenate([tile, tile[:, ::-1]], axis=1)
    block = np.concatenate([strip, strip[::-1]], axis=0)
    times = -(-rows // block.shape[0]), -(-columns // block.shape[1]), 1
    return np.tile(block, times)[:rows, :columns]


@pytest.fixture(scope="module", params=[(321, 481), (1000, 1000), (2000, 2000)])
def problem(request):
    """Return an image, its affinities and a number of superpixels."""
    image = picture(*request.param)
    n_pixels = image.shape[0] * image.shape[1]
    n_segments = 300 if n_pixels < 200_000 else n_pixels // 515
    return image, predict_affinity(image, channel_axis=-1), n_segments


@pytest.fixture(autouse=True)
def group(request):
    """Show what works on the same image side by side."""
    if {"benchmark", "problem"} <= set(request.fixturenames):
        image, *_ = request.getfixturevalue("problem")
        rows, columns, _ = image.shape
        request.getfixturevalue("benchmark").group = f"{rows} x {columns} pixels"
