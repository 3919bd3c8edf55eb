"""The demo's window."""

from __future__ import annotations

import numpy as np

from napari_paf.widgets.demo import open_demo


def test_demo_shows_a_sample_with_superpixels(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    widget = open_demo(viewer, "histology_rgb", 120, model="gradient", device="cpu")
    qtbot.waitUntil(lambda: widget.worker is None, timeout=60_000)
    labels = viewer.layers["histology_rgb superpixels"]
    assert np.unique(labels.data).tolist() == list(range(1, 121))
