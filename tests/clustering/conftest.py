"""Small blocks and short queues, so that small images have many of them."""

from __future__ import annotations

import pytest

from napari_paf.clustering import (
    _held_back,
    _left,
    _order,
    _queue,
    _window,
    entropy_rate,
    graph,
    merging,
)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let leaves and large regions be a few pixels, and all else a few edges.

    About half of the edges are held back.
    """
    monkeypatch.setattr(merging, "LEAF", {2: 9, 3: 8})
    monkeypatch.setattr(graph, "_SLAB", 40)
    for module in (graph, entropy_rate, _order):
        monkeypatch.setattr(module, "PIECE", 7)
    monkeypatch.setattr(merging, "PIXELS_PER_REGION", 3)
    monkeypatch.setattr(_left, "FEW", 2)
    for name in ("MANY", "LARGE"):
        monkeypatch.setattr(_held_back, name, 0)
    monkeypatch.setattr(_held_back, "AT_FIRST", 1.0)
    monkeypatch.setattr(_held_back, "SINGLE", 0.3)
    for name in ("SAMPLE", "STRETCH", "BOX", "CHUNK"):
        monkeypatch.setattr(_held_back, name, 7)
    monkeypatch.setattr(_queue, "ITEMS_PER_LOG", 2)
    monkeypatch.setattr(_window, "WINDOW", 9)
