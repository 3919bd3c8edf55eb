"""Small blocks, so that small images have several levels of them."""

from __future__ import annotations

import pytest

from napari_paf.clustering import merging


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the smallest blocks be a few pixels, and large regions too."""
    monkeypatch.setattr(merging, "LEAF", {2: 9, 3: 8})
    monkeypatch.setattr(merging, "PIXELS_PER_REGION", 3)
