"""A step of the Superpixel painter on 4 megapixels, beside napari's own part of it.

Needs a screen; without one: ``xvfb-run -a pytest benchmarks/test_painting.py -s``.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np
import pytest

from napari_paf.painting import SuperpixelPixels

pytest.importorskip("pytestqt")
SIDE = 2000
OWN_PART = 5.0  # milliseconds


@pytest.fixture
def superpixels() -> np.ndarray:
    """Return squares of 22 x 22 pixels: some 8,300 superpixels."""
    numbers = np.arange(1, 91 * 91 + 1).reshape(91, 91)
    squares = np.kron(numbers, np.ones((22, 22), int))[:SIDE, :SIDE]
    return squares.astype(np.uint16)


def test_a_step_of_a_stroke(make_napari_viewer: Any, superpixels: np.ndarray) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_labels(superpixels, name="cells superpixels")
    _, widget = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixel painter")
    widget.on.setChecked(True)
    strokes = widget._prepare()
    layer = strokes.target.layer
    napari: list[float] = []
    write = layer.data_setitem

    def timed(indices: Any, value: Any) -> None:
        start = time.perf_counter()
        write(indices, value)
        napari.append(1000 * (time.perf_counter() - start))

    layer.data_setitem = timed
    steps, own, n_pixels = [], [], []
    for number in range(60):
        widget.label.value = number % 9 + 1
        row, column = divmod(37 * number, SIDE)
        begin = (1000.0 + row, float(column))
        start = time.perf_counter()
        n_pixels.append(
            widget._step(strokes, begin, (begin[0] + 10, begin[1] + 60), False)
        )
        steps.append(1000 * (time.perf_counter() - start))
        own.append(steps[-1] - napari[-1])
    del layer.data_setitem
    assert len(napari) == len(steps)  # once per step
    print(
        f"\n{SIDE} x {SIDE}, {median(n_pixels):.0f} pixels a step: "
        f"napari {median(napari):.1f} ms, whole step {median(steps):.1f} ms; "
        f"our part {median(own):.2f} ms"
    )
    assert median(own) < OWN_PART


def test_finding_the_pixels_of_all_superpixels(
    benchmark: Any, superpixels: np.ndarray
) -> None:
    benchmark(SuperpixelPixels, superpixels)


def test_following_a_superpixel_that_is_split(
    benchmark: Any, superpixels: np.ndarray
) -> None:
    pixels = SuperpixelPixels(superpixels.copy())
    split = superpixels.copy()
    split[1100:1111, 1100:1122] = 9000
    versions = [split, superpixels]

    def follow() -> None:
        versions.reverse()
        pixels.update(versions[0])

    benchmark(follow)
