"""The compact U-Net: shapes, locality, tiling, dtype, and what it does to images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_paf._offsets import edge_slices
from napari_paf.affinity import _strips
from napari_paf.affinity.gradient import gradient_affinity
from napari_paf.affinity.unet import AffinityUNet, Block, ConvNorm, UNetConfig

SMALL = UNetConfig(widths=(4, 6, 8))


def randomized(config: UNetConfig, seed: int = 0) -> AffinityUNet:
    """Return a network whose every parameter and statistic matters."""
    network = AffinityUNet(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if not value.is_floating_point():
                continue
            noise = torch.rand(value.shape, generator=generator)
            if value.ndim > 1:
                value.copy_((noise - 0.4) / value[0].numel() ** 0.5)
            else:
                value.copy_(noise + 0.5 if "weight" in name or "var" in name else noise)
    return network.eval()


def image_of(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (16, 16), (17, 31)])
def test_any_size(size: tuple[int, int]) -> None:
    with torch.inference_mode():
        logits = randomized(SMALL)(image_of(2, 3, *size))
    assert logits.shape == (2, 4, *size)
    assert torch.isfinite(logits).all()


def test_volume() -> None:
    network = randomized(UNetConfig(ndim=3, channels=1, widths=(3, 4)))
    with torch.inference_mode():
        logits = network(image_of(1, 1, 5, 6, 7))
    assert logits.shape == (1, 13, 5, 6, 7)
    assert len(network.offsets) == 13


def test_default_is_small() -> None:
    network = AffinityUNet()
    assert network.offsets == ((0, 1), (1, 0), (1, 1), (-1, 1))
    assert sum(p.numel() for p in network.parameters()) < 1_200_000


@pytest.mark.parametrize("widths", [(4,), (4, 5), (4, 5, 6), (3, 4, 5, 6)])
def test_output_depends_on_the_halo_only(widths: tuple[int, ...]) -> None:
    network = randomized(UNetConfig(widths=widths)).double()
    side = 2 * network.halo + 3 * network.stride
    x = image_of(1, 3, side, side).double().requires_grad_()
    for at in range(network.halo, network.halo + network.stride):
        (grad,) = torch.autograd.grad(network(x)[0, :, at, at].sum(), x)
        reach = grad[0].abs().sum(0).nonzero()
        assert int((reach - at).abs().max()) <= network.halo


@pytest.mark.parametrize("config", [SMALL, UNetConfig()])
def test_tiles_equal_the_whole_image(config: UNetConfig) -> None:
    network = randomized(config)
    halo, stride = network.halo, network.stride
    x = image_of(1, 3, 2 * halo + 3 * stride + 5, 2 * halo + 2 * stride + 3)
    height, width = x.shape[2:]
    cut = -(-halo // stride) * stride
    with torch.inference_mode():
        whole = network(x)
        for r0, r1 in [(0, stride), (cut, cut + stride), (cut + stride, height)]:
            for c0, c1 in [(0, 2 * stride), (cut + stride, width)]:
                # Tiles start at a multiple of stride, with at least the halo.
                top = max(0, r0 - cut)
                left = max(0, c0 - cut)
                tile = x[:, :, top : r1 + halo, left : c1 + halo]
                part = network(tile)[:, :, r0 - top : r1 - top, c0 - left : c1 - left]
                torch.testing.assert_close(
                    part, whole[:, :, r0:r1, c0:c1], atol=1e-5, rtol=1e-5
                )


@pytest.mark.parametrize(
    ("widths", "shape"),
    [
        ((4,), (2, 3, 90, 7)),
        ((4, 5), (1, 3, 75, 20)),
        ((4, 6, 8), (2, 3, 131, 33)),
        ((3, 4), (1, 3, 70, 5, 6)),
    ],
)
def test_strips_equal_the_whole_image(
    widths: tuple[int, ...], shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = randomized(UNetConfig(ndim=len(shape) - 2, widths=widths))
    x = image_of(*shape)
    made = []
    forward = Block.forward
    monkeypatch.setattr(
        Block, "forward", lambda self, x: made.append(x.shape) or forward(self, x)
    )
    with torch.inference_mode():
        whole = network(x)
        assert len(made) == 2 * len(widths) - 1
        monkeypatch.setattr(_strips, "LARGEST_ON_CPU", 1)
        in_strips = network(x)
    assert len(made) >= 4 * len(widths)
    torch.testing.assert_close(in_strips, whole, atol=1e-5, rtol=1e-5)


def test_training_sees_the_whole_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """The statistics of the norms are not those of strips."""
    x = image_of(2, 3, 64, 16)
    expected = randomized(SMALL).train()(x)
    monkeypatch.setattr(_strips, "LARGEST_ON_CPU", 1)
    torch.testing.assert_close(randomized(SMALL).train()(x), expected)


def test_shift_is_added() -> None:
    x = image_of(1, 3, 8, 8)
    plain = randomized(SMALL)
    shifted = AffinityUNet(UNetConfig(widths=SMALL.widths, shift=-1.5)).eval()
    shifted.load_state_dict(plain.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(shifted(x), plain(x) - SMALL.shift - 1.5)


@pytest.mark.parametrize("shape", [(7, 9), (4, 5, 6)])
def test_contrast_takes_off_differences(shape: tuple[int, ...]) -> None:
    image = image_of(3, *shape).numpy()
    options = {"ndim": len(shape), "widths": (4, 6)}
    plain = randomized(UNetConfig(contrast=0, **options))
    sharp = AffinityUNet(UNetConfig(contrast=2, **options)).eval()
    sharp.load_state_dict(plain.state_dict())
    x = torch.from_numpy(2 * image[None] - 1)
    with torch.inference_mode():
        taken_off = (plain(x) - sharp(x))[0].numpy()
    similar = gradient_affinity(
        image, sigma=0.12, connectivity=len(shape), channel_axis=0
    )
    for k, offset in enumerate(plain.offsets):
        inside, _ = edge_slices(offset)
        expected = 2 - 2 * similar[k][inside]
        np.testing.assert_allclose(taken_off[k][inside], expected, atol=1e-5)


def test_batch_does_not_matter() -> None:
    network, x = randomized(SMALL), image_of(3, 3, 20, 20)
    with torch.inference_mode():
        together = network(x)
        alone = torch.cat([network(x[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("ndim", [2, 3])
def test_normalisation_is_folded_correctly(ndim: int) -> None:
    layer = ConvNorm(ndim, 2, 3, 3)
    with torch.no_grad():
        for value in layer.norm.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.5, 1.5)
    layer.eval()
    x = image_of(1, 2, *(6,) * ndim)
    with torch.no_grad():
        torch.testing.assert_close(
            layer(x), layer.norm(layer.conv(x)), atol=1e-5, rtol=1e-5
        )


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"ndim": 4}, "ndim=4"),
        ({"channels": 0}, "channels=0"),
        ({"widths": ()}, "widths="),
        ({"widths": (10**9,)}, "widths="),
        ({"widths": "16"}, "widths="),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"shift": float("inf")}, "shift=inf"),
        ({"contrast": -1}, "contrast=-1"),
        ({"balance": -0.1}, "balance=-0.1.*0 to 1000"),
        ({"balance": float("nan")}, "balance=nan"),
        ({"balance": 1001}, "balance=1001"),
        ({"doubt": 1.1}, "doubt=1.1.*0 to 1"),
        ({"doubt": float("nan")}, "doubt=nan"),
        ({"architecture": "vit"}, "architecture='vit'"),
    ],
)
def test_impossible_configs(values: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        UNetConfig(**values)


def test_prepare_repeats_grey_and_refuses_other_channels() -> None:
    network = AffinityUNet(SMALL)
    grey = np.arange(12).reshape(1, 3, 4)
    prepared = network.prepare(grey)
    assert prepared.shape == (3, 3, 4)
    assert prepared.dtype == np.float32
    assert (prepared == prepared[0]).all()
    with pytest.raises(ValueError, match="4 channels"):
        network.prepare(np.zeros((4, 3, 4)))


def test_logits_keep_their_precision_under_autocast() -> None:
    network = AffinityUNet(UNetConfig(widths=(8, 8))).eval()
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = network(image)
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())
