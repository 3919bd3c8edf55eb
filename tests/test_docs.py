"""The Python in README and in the first page of the documentation runs as printed."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("page", ["README.md", "docs/start.md", "docs/objects.md"])
def test_python_on_the_page_runs(page, capsys, request, monkeypatch):
    path = ROOT / page
    blocks = re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    assert blocks
    # What the pages take for granted; start.md loads an image of the same size.
    image = np.random.default_rng(0).integers(0, 256, (300, 451), np.uint8)
    names = {
        "image": image,
        "seeds": (image > 250).astype(int),
        "truth": (image[0] > 100).astype(int) + np.zeros_like(image),
    }
    if any("import napari\n" in block for block in blocks):
        if sys.platform == "linux" and not os.environ.get("DISPLAY"):
            pytest.skip("needs a screen; run under xvfb-run")
        # A viewer that is closed after the test, whatever happens.
        viewer = request.getfixturevalue("make_napari_viewer")
        monkeypatch.setattr("napari.Viewer", viewer)
    for block in blocks:
        exec(compile(block, str(path), "exec"), names)
    if "widget" in names:
        qtbot = request.getfixturevalue("qtbot")
        qtbot.waitUntil(lambda: names["widget"].worker is None, timeout=120_000)
        assert len(names["viewer"].layers) > 1
    assert names["labels"].max() in (300, 500, 800)
