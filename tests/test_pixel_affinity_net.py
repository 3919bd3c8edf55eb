"""The network of 2018: shapes, receptive field, symmetry and input."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_paf.affinity.model import AffinityModel, load_model
from napari_paf.affinity.pixel_affinity_net import (
    PixelAffinityNet,
    PixelAffinityNetConfig,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def network() -> PixelAffinityNet:
    torch.manual_seed(0)
    return PixelAffinityNet().eval()


def test_size_is_the_published_one(network: PixelAffinityNet) -> None:
    assert sum(p.numel() for p in network.parameters()) == 888_482
    assert network.offsets == ((0, 1), (1, 0))


def test_output_depends_on_the_halo_and_no_more(network: PixelAffinityNet) -> None:
    x = torch.rand(1, 4, 41, 43).requires_grad_()
    logits = network(x)
    assert logits.shape == (1, 2, 41, 43)
    for channel, radius in ((0, (6, 9)), (1, (9, 6))):
        (gradient,) = torch.autograd.grad(
            logits[0, channel, 20, 21], x, retain_graph=True
        )
        rows, columns = torch.nonzero(gradient[0].abs().sum(0), as_tuple=True)
        assert (rows.min(), rows.max()) == (20 - radius[0], 20 + radius[0])
        assert (columns.min(), columns.max()) == (21 - radius[1], 21 + radius[1])
    assert network.halo == 9


def test_a_tile_with_halo_agrees_with_the_whole(network: PixelAffinityNet) -> None:
    x = torch.rand(1, 4, 33, 37)
    with torch.inference_mode():
        whole = network(x)
        tile = network(x[:, :, 2:27, 4:30])
    halo = network.halo
    torch.testing.assert_close(
        tile[:, :, halo:-halo, halo:-halo],
        whole[:, :, 2 + halo : 27 - halo, 4 + halo : 30 - halo],
        atol=1e-5,
        rtol=0,
    )


def test_transposing_the_image_swaps_x_and_y(network: PixelAffinityNet) -> None:
    x = torch.rand(1, 4, 12, 15)
    with torch.inference_mode():
        expected = network(x).transpose(2, 3).flip(1)
        found = network(x.transpose(2, 3))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_it_can_be_trained(network: PixelAffinityNet) -> None:
    trained = PixelAffinityNet().train()
    trained(torch.rand(2, 4, 9, 10)).square().sum().backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all() for p in trained.parameters()
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1)])
def test_small_images(network: PixelAffinityNet, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        assert network(torch.rand(1, 4, *size)).shape == (1, 2, *size)


def test_shift_moves_the_logits(network: PixelAffinityNet) -> None:
    shifted = PixelAffinityNet(PixelAffinityNetConfig(shift=-1.5)).eval()
    shifted.load_state_dict(network.state_dict())
    x = torch.rand(1, 4, 6, 7)
    with torch.inference_mode():
        torch.testing.assert_close(shifted(x), network(x) - 1.5)


def test_a_saved_model_comes_back(network: PixelAffinityNet, tmp_path: Path) -> None:
    config = PixelAffinityNetConfig(temperature=2.0)
    built = PixelAffinityNet(config).eval()
    AffinityModel(built, config, built.offsets).save(tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors")
    assert loaded.config == config
    x = torch.rand(1, 4, 8, 9)
    with torch.inference_mode():
        assert torch.equal(loaded.network(x), built(x))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "unet"),
        ("ndim", 3),
        ("channels", 1),
        ("temperature", 0),
        ("temperature", "1"),
        ("shift", float("nan")),
    ],
)
def test_config_refuses(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field}="):
        PixelAffinityNetConfig(**{field: value})


def test_prepare_gives_blue_first_and_marks_edges(network: PixelAffinityNet) -> None:
    pytest.importorskip("cv2")
    image = np.zeros((3, 16, 20), np.uint8)
    image[0, :, 10:] = 255  # red, right half
    prepared = network.prepare(image)
    assert prepared.dtype == np.float32
    np.testing.assert_array_equal(prepared[:3], image[::-1] / np.float32(255))
    edge_columns = np.flatnonzero((prepared[3] == 0).any(axis=0))
    assert len(edge_columns) == 1
    assert edge_columns[0] in (9, 10)
    assert set(np.unique(prepared[3])) == {0, 1}


def test_prepare_sees_edges_in_colour(network: PixelAffinityNet) -> None:
    pytest.importorskip("cv2")
    image = np.zeros((3, 16, 20), np.uint8)
    image[0, :, :10] = 100  # both halves have the same grey value
    image[1, :, 10:] = 51
    assert (network.prepare(image)[3] == 0).any()


def test_prepare_agrees_between_dtypes(network: PixelAffinityNet) -> None:
    pytest.importorskip("cv2")
    image = np.random.default_rng(0).integers(0, 256, (3, 20, 24)).astype(np.uint8)
    expected = network.prepare(image)
    for same in (image / 255.0, (image / 255).astype(np.float32)):
        np.testing.assert_array_equal(network.prepare(same), expected)
    mask = image > 127
    np.testing.assert_array_equal(
        network.prepare(mask), network.prepare(mask.astype(np.uint8) * 255)
    )
    wide = network.prepare(image.astype(np.uint16) * 16)
    assert np.abs(wide[:3] - expected[:3]).max() < 0.02
    grey = network.prepare(image[:1])
    np.testing.assert_array_equal(
        grey, network.prepare(np.repeat(image[:1], 3, axis=0))
    )


@pytest.mark.parametrize("shape", [(2, 8, 8), (4, 8, 8), (8, 8), (1, 2, 4, 8, 8)])
def test_prepare_refuses_other_shapes(
    network: PixelAffinityNet, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"^image has shape"):
        network.prepare(np.zeros(shape, np.uint8))


def test_prepare_says_what_to_install(
    network: PixelAffinityNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"pip install napari-paf\[seal\]"):
        network.prepare(np.zeros((3, 8, 8), np.uint8))


def test_prepare_finds_edges_plane_by_plane(network: PixelAffinityNet) -> None:
    stack = np.random.default_rng(3).integers(0, 255, (3, 4, 12, 13), np.uint8)
    prepared = network.prepare(stack)
    for plane in range(4):
        np.testing.assert_array_equal(
            prepared[:, plane], network.prepare(stack[:, plane])
        )
