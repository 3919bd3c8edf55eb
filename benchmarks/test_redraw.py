"""What a redraw costs while the slider is dragged, beside what napari itself needs.

Needs a screen; without one: ``xvfb-run -a pytest benchmarks/test_redraw.py -s``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
import pytest

from napari_paf import superpixel_hierarchy

pytest.importorskip("pytestqt")
SIDE = 1000
OWN_PART = 10.0  # milliseconds for each megapixel
SHARE = 1.2  # of what napari needs to be given a new array


class StandIn:
    """A layer without napari: what is left is our own part."""

    def __init__(self, data: np.ndarray) -> None:
        self.data = data
        self.metadata = {"napari_paf": {"n_segments": 2000}}
        self.mode, self.editable = "pan_zoom", True


@pytest.mark.parametrize("contour", [0, 1])
def test_redraw(make_napari_viewer: Any, contour: int) -> None:
    from napari_paf.widgets.common.plane import plane_in_view
    from napari_paf.widgets.superpixels.hierarchies import hierarchy_of, remember
    from napari_paf.widgets.superpixels.live import Live

    image = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    hierarchy = superpixel_hierarchy(image, 2000, model="gradient")
    viewer = make_napari_viewer(show=True)
    layer = viewer.add_labels(hierarchy.labels(2000))
    layer.contour = contour
    layer.metadata = {"napari_paf": {"n_segments": 2000}}
    plane = plane_in_view(viewer.add_image(image), viewer.dims)
    remember(layer, plane, hierarchy, layer.data, {"n_segments": 2000})
    live = Live(layer)
    arrays = [hierarchy.labels(n) for n in (1000, 1500, 2500)]
    numbers: Iterator[int] = iter(range(500, 10_000, 37))

    def given() -> None:
        layer.data = arrays[0].copy()
        arrays.append(arrays.pop(0))

    def redrawn() -> None:
        assert live.redraw(next(numbers)) == ""

    stand_in = StandIn(layer.data.copy())
    remember(stand_in, plane, hierarchy, stand_in.data, {"n_segments": 2000})
    ours = Live(stand_in)
    napari, whole, own = [], [], []
    for _ in range(40):
        napari.append(_milliseconds(given))
        layer.data = hierarchy_of(layer).drawn.copy()
        whole.append(_milliseconds(redrawn))
        number = next(numbers)
        own.append(_milliseconds(lambda number=number: ours.redraw(number)))
    ratio = median(whole) / median(napari)
    print(
        f"\n{SIDE} x {SIDE}, contour {contour}: napari {median(napari):.1f} ms, "
        f"redraw {median(whole):.1f} ms, {ratio:.2f} times; "
        f"our part {median(own):.2f} ms"
    )
    assert median(own) <= OWN_PART * SIDE * SIDE / 1e6
    assert ratio <= SHARE


def _milliseconds(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - start)
