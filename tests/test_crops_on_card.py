"""Training crops drawn on a device: what is changed about image and labels alike."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_paf.training.sampling import OFFSET, STEPS, Sample

OFFSETS = [(0, 1), (1, 0), (1, 1), (-1, 1)]
AS_IT_IS: dict[str, Any] = {
    **dict.fromkeys(("grey", "permute", "mix", "colour", "invert"), 0.0),
    **dict.fromkeys(("brightness", "blur", "noise"), 0.0),
    "gamma": (1.0, 1.0),
    "contrast": (1.0, 1.0),
}


@pytest.fixture
def crops(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the tool's module."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "tools")
    return importlib.import_module("crops_on_card")


def stripes(height: int) -> Sample:
    """Return an image of horizontal stripes, each a label of its own."""
    row = np.arange(96)[:, None] // height
    labels = np.broadcast_to(row + 1, (96, 96))
    codes = np.where(labels % 2, 200, 20).astype(np.uint8)
    return Sample(codes=codes[None], labels=labels[None].copy())


def draw(
    crops: Any, sample: Sample, n: int = 32, **changes: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images as codes, and the weights of their pairs."""
    bank = crops.Bank(
        [sample],
        torch.device("cpu"),
        seed=0,
        changes=crops.Changes(**AS_IT_IS | changes),
        n_annotators=1,
    )
    image, inside, across = bank.draw(n, 24, OFFSETS)
    return ((image + OFFSET) * STEPS).numpy(), inside.numpy(), across.numpy()


def pairs(offset: tuple[int, int]) -> tuple[Any, Any]:
    """Return the index of the first and of the second pixels of pairs."""
    ends = [
        (slice(max(0, -o), 24 - max(0, o)), slice(max(0, o), 24 - max(0, -o)))
        for o in offset
    ]
    first, second = zip(*ends, strict=True)
    return (..., *first), (..., *second)


def test_labels_go_where_their_pixels_go(crops):
    # Interpolated between two stripes, a pixel is more like the nearer one, whose
    # label it gets: however crops are turned and zoomed, the image tells the labels.
    codes, inside, across = draw(crops, stripes(8), turn=1.0)
    bright = codes[:, 0] > 110
    assert 0.3 < bright.mean() < 0.7
    for k, offset in enumerate(OFFSETS):
        first, second = pairs(offset)
        differ = bright[first] != bright[second]
        np.testing.assert_array_equal(across[:, k][first], differ)
        np.testing.assert_array_equal(inside[:, k][first], ~differ)
        for weights in (inside, across):  # no pair without a second pixel
            assert weights[:, k].sum() == weights[:, k][first].sum()


def test_crops_are_turned_and_zoomed(crops):
    _, _, across = draw(crops, stripes(8), n=200, turn=0.0, near_boundary=0.0)
    right, down = across[:, 0].sum((1, 2)), across[:, 1].sum((1, 2))
    assert ((right > 0) != (down > 0)).all()  # stripes lie or stand
    assert 0.4 < (down > 0).mean() < 0.6
    n_boundaries = (right + down) / 24
    assert n_boundaries.min() <= 2
    assert n_boundaries.max() >= 4


def test_crops_near_a_boundary_have_one(crops):
    sample = stripes(48)  # a single boundary
    _, _, across = draw(crops, sample, n=200, near_boundary=1.0)
    assert across.any((1, 2, 3)).all()
    _, _, across = draw(crops, sample, n=200, near_boundary=0.0)
    assert across.any((1, 2, 3)).mean() < 0.6


def test_intensities_change_from_crop_to_crop(crops):
    bank = crops.Bank([stripes(8)], torch.device("cpu"), seed=0)
    image, *_ = bank.draw(32, 24, OFFSETS)
    assert len(np.unique(image.numpy().mean((1, 2, 3)).round(3))) > 25
