"""A compact U-Net that predicts affinities to all neighbours, for 2-D or 3-D images.

Encoder and decoder of 3x3 convolutions on a pyramid of resolutions. Most of
the arithmetic is at full resolution, so that level is kept narrow. All
normalisation constants are part of the weights: the output at a pixel depends
on the pixels within `halo` of it and on nothing else, so that tiles, batches
and whole images agree.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_paf._offsets import edge_slices, neighbour_offsets
from napari_paf._progress import Progress, part, silent
from napari_paf._validation import LARGEST_BALANCE
from napari_paf.affinity._strips import in_strips, rows_of_strip
from napari_paf.affinity.normalize import normalize_channels

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Where the share of `contrast` that is taken off has risen to 0.39: between
# normalised intensities, which go from -1 to 1.
GREAT_DIFFERENCE = 0.24

# How far a block looks along each axis: two convolutions; in the decoder also the
# head and, of the coarser map, the pixel that the interpolation reaches to.
ENCODER_HALO = 2
DECODER_HALO = 4


@dataclass(frozen=True)
class UNetConfig:
    """Size of an `AffinityUNet` and how its logits become affinities.

    The defaults of how they do suit networks that cross-entropy has trained, for
    planes and volumes, on many images or few.
    """

    architecture: str = "unet"
    ndim: int = 2
    channels: int = 3
    widths: tuple[int, ...] = (16, 32, 64, 112, 176)  # one level each, finest first
    temperature: float = 1.1  # affinity = sigmoid(logits / temperature)
    # Added to the logits. What the loss calls certain is less certain than what
    # makes good superpixels: below 0, interiors still differ among themselves.
    shift: float = -3.7
    # Taken off the logit of two pixels that differ greatly in intensity: keeps
    # boundaries on the steps of the image, above all where all else is unfamiliar.
    contrast: float = 4.0
    # Compactness of superpixels where the image says nothing; see `regularize`.
    regularity: float = 0.004
    # Of superpixels that are made of these affinities, and how much of the boundary
    # has to be in doubt for so much of it; see `suitable_balance`.
    balance: float = 0.3
    doubt: float = 0.32

    def __post_init__(self) -> None:
        """Refuse sizes that make no network."""
        if self.architecture != "unet":
            raise ValueError(f"architecture={self.architecture!r}: must be 'unet'.")
        if self.ndim not in (2, 3):
            raise ValueError(f"ndim={self.ndim!r}: images have 2 or 3 spatial axes.")
        if not _is_count(self.channels, 256):
            raise ValueError(f"channels={self.channels!r}: give 1 to 256.")
        widths = self.widths
        if not (
            isinstance(widths, tuple)
            and 1 <= len(widths) <= 8
            and all(_is_count(width, 4096) for width in widths)
        ):
            raise ValueError(
                f"widths={widths!r}: give 1 to 8 levels, each of 1 to 4096 features."
            )
        if not (
            isinstance(self.temperature, int | float) and 0 < self.temperature < 1e6
        ):
            raise ValueError(f"temperature={self.temperature!r}: give a number over 0.")
        if not (isinstance(self.shift, int | float) and abs(self.shift) < 1e6):
            raise ValueError(f"shift={self.shift!r}: give a finite number.")
        if not (isinstance(self.contrast, int | float) and 0 <= self.contrast < 1e6):
            raise ValueError(
                f"contrast={self.contrast!r}: give a number of at least 0."
            )
        if not (isinstance(self.regularity, int | float) and 0 <= self.regularity < 1):
            raise ValueError(
                f"regularity={self.regularity!r}: give a number from 0 to below 1."
            )
        if not (
            isinstance(self.balance, int | float)
            and 0 <= self.balance <= LARGEST_BALANCE
        ):
            raise ValueError(
                f"balance={self.balance!r}: give a number from 0 to "
                f"{LARGEST_BALANCE:.0f}."
            )
        if not (isinstance(self.doubt, int | float) and 0 <= self.doubt <= 1):
            raise ValueError(f"doubt={self.doubt!r}: give a number from 0 to 1.")


class ConvNorm(nn.Module):
    """Convolution without bias, then batch normalisation: one convolution in eval."""

    def __init__(self, ndim: int, n_in: int, n_out: int, size: int) -> None:
        super().__init__()
        conv = nn.Conv2d if ndim == 2 else nn.Conv3d
        norm = nn.BatchNorm2d if ndim == 2 else nn.BatchNorm3d
        self.conv = conv(n_in, n_out, size, padding=size // 2, bias=False)
        self.norm = norm(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised features, before any activation."""
        norm, weight = self.norm, self.conv.weight
        if self.training or norm.running_mean is None or norm.running_var is None:
            return self.norm(self.conv(x))  # type: ignore[no-any-return]
        # Scaling the kernel is far cheaper than a second pass over the pixels.
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        bias = norm.bias - norm.running_mean * scale
        weight = weight * scale.view(-1, *(1,) * (weight.ndim - 1))
        convolve = F.conv2d if weight.ndim == 4 else F.conv3d
        return convolve(x, weight, bias, padding=self.conv.kernel_size[0] // 2)


class Block(nn.Module):
    """Two 3x3 convolutions, the second with a residual connection."""

    def __init__(self, ndim: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.first = ConvNorm(ndim, n_in, n_out, 3)
        self.second = ConvNorm(ndim, n_out, n_out, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of `n_out` channels at the same resolution."""
        x = F.relu_(self.first(x))
        return F.relu_(self.second(x).add_(x))


class AffinityUNet(nn.Module):
    """U-Net from an image to one affinity logit per pixel and neighbour offset.

    Parameters
    ----------
    config : UNetConfig
        Number of spatial axes, input channels and features per level.

    Attributes
    ----------
    config : UNetConfig
    offsets : tuple of tuple of int
        Channel ``k`` of the output is the edge from a pixel to the one at
        ``offsets[k]`` from it.
    halo : int
        Receptive radius in pixels: the output at a pixel depends on the input
        at most this far away along each axis.
    stride : int
        A tile whose origin is a multiple of this, cut with `halo` around it,
        gives the same output as the whole image.
    memory_per_pixel : int
        Bytes that prediction takes at most, for every pixel.
    """

    def __init__(self, config: UNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or UNetConfig()
        ndim, widths = config.ndim, config.widths
        self.offsets = neighbour_offsets(ndim, ndim)
        levels = range(len(widths) - 1)
        self.stride = 2 ** len(levels)
        # Of the finest level: one map is kept, and there are three of strips.
        self.memory_per_pixel = 4 * (4 * widths[0] + len(self.offsets))
        # Radius in units of the finest pixels. A level with spacing s: two
        # convolutions (2 s) down, two up, up to s - 1 for where the pixel lies in
        # its cell (pooling), and s for linear interpolation; plus the head.
        self.halo = 1 + sum(
            (4 if level in levels else 2) * 2**level
            + (2 ** (level + 1) - 1 if level else 0)
            for level in range(len(widths))
        )
        inputs = (config.channels, *widths)
        self.down = nn.ModuleList(
            Block(ndim, inputs[i], widths[i]) for i in range(len(widths))
        )
        self.reduce = nn.ModuleList(
            ConvNorm(ndim, widths[i + 1], widths[i], 1) for i in levels
        )
        self.up = nn.ModuleList(Block(ndim, widths[i], widths[i]) for i in levels)
        conv = nn.Conv2d if ndim == 2 else nn.Conv3d
        self.head = conv(widths[0], len(self.offsets), 3, padding=1)

    def forward(self, x: Tensor, progress: Progress = silent) -> Tensor:
        """Return logits (batch, offset, *spatial) of images (batch, channel, *spatial).

        Any spatial size: the image is continued by its border pixels up to a
        multiple of `stride`, and the result is cut. `progress` is called with the
        fraction done.
        """
        ndim, size = self.config.ndim, x.shape[2:]
        padding = [p for n in reversed(size) for p in (0, -n % self.stride)]
        x = F.pad(x, padding, mode="replicate")
        image = x = x.contiguous(
            memory_format=torch.channels_last if ndim == 2 else torch.channels_last_3d
        )
        pool = F.max_pool2d if ndim == 2 else F.max_pool3d
        reports = self._reports(progress)

        skips: list[Tensor] = []
        for level in range(len(self.down)):
            x = pool(x, 2) if level else x
            make = partial(self._encode, level, x)
            x = self._in_strips(make, level, x, ENCODER_HALO, next(reports))
            skips.append(x)
        skips.pop()
        for level in reversed(range(len(self.up))):
            fine = skips.pop()
            coarse = self.reduce[level](x)
            make = partial(self._decode, level, image, coarse, fine)
            x = self._in_strips(make, level, fine, DECODER_HALO, next(reports))
        logits = x if self.up else self._logits(x, image)
        for axis, n in enumerate(size, start=2):
            logits = logits.narrow(axis, 0, n)
        return logits

    def _encode(self, level: int, x: Tensor, rows: slice) -> Tensor:
        """Return features of a level in some rows."""
        return self.down[level](x[:, :, rows])  # type: ignore[no-any-return]

    def _decode(
        self, level: int, image: Tensor, coarse: Tensor, fine: Tensor, rows: slice
    ) -> Tensor:
        """Return features of a level in some rows; of the finest level the logits."""
        mode = "bilinear" if self.config.ndim == 2 else "trilinear"
        x = coarse[:, :, rows.start // 2 : rows.stop // 2]
        x = F.interpolate(x, scale_factor=2, mode=mode).add_(fine[:, :, rows])
        x = self.up[level](x)
        return x if level else self._logits(x, image[:, :, rows])

    def _in_strips(
        self,
        make: Callable[[slice], Tensor],
        level: int,
        like: Tensor,
        halo: int,
        progress: Progress,
    ) -> Tensor:
        """Return the map of a level that `make` gives, as large as the map `like`."""
        batch, _, n_rows, *others = like.shape
        per_row = batch * self.config.widths[level] * math.prod(others)
        # In training, the statistics of the norms are those of the whole.
        rows = n_rows if self.training else rows_of_strip(per_row, halo, like.device)
        return in_strips(make, n_rows, rows, halo, progress)

    def _reports(self, progress: Progress) -> Iterator[Progress]:
        """Yield the part of the progress of every block: as much as its arithmetic."""
        blocks = [*enumerate(self.down), *reversed([*enumerate(self.up)])]
        work = [
            sum(weight.numel() for weight in block.parameters())
            / 2 ** (self.config.ndim * level)
            for level, block in blocks
        ]
        bounds = [done / sum(work) for done in itertools.accumulate(work, initial=0)]
        bounds[-1] = 1.0
        return (part(progress, *bound) for bound in itertools.pairwise(bounds))

    def _logits(self, x: Tensor, image: Tensor) -> Tensor:
        dtype = self.head.weight.dtype
        # Under autocast: logits of lower precision would come in steps, and ties
        # between edges are broken by where they lie.
        with torch.autocast(x.device.type, enabled=False):
            logits: Tensor = self.head(x.to(dtype)).add_(self.config.shift)
        if self.config.contrast:
            differences = self.differences(image.contiguous())
            logits = logits.sub_(differences, alpha=self.config.contrast)
        return logits

    def differences(self, image: Tensor) -> Tensor:
        """Return how much neighbours differ, from 0 to 1, as `gradient_affinity`.

        What `contrast` is multiplied with: (batch, offset, *spatial), like the logits.
        """
        found = image.new_zeros(len(image), len(self.offsets), *image.shape[2:])
        for k, offset in enumerate(self.offsets):
            every = slice(None)
            first, second = ((every, every, *side) for side in edge_slices(offset))
            difference = (image[first] - image[second]).abs_().mean(1, keepdim=True)
            scale = math.hypot(*offset) / GREAT_DIFFERENCE
            similarity = difference.square_().mul_(scale**2 / -2).exp_()
            found[:, k : k + 1][first] = 1 - similarity
        return found

    def prepare(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Return the network's input for a whole image (channel, *spatial).

        Intensities are normalised over the whole image (`normalize_channels`), so do
        this before cutting tiles. A single channel is repeated.
        """
        if len(image) not in (1, self.config.channels):
            raise ValueError(
                f"image has {len(image)} channels: this model takes 1 or "
                f"{self.config.channels}; choose channels, or train a model on them."
            )
        return self.prepare_normalized(normalize_channels(image))

    def prepare_normalized(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's input for a part of an image normalised as a whole."""
        n_channels = self.config.channels
        if len(image) != n_channels:
            image = np.broadcast_to(image, (n_channels, *image.shape[1:])).copy()
        return np.ascontiguousarray(image, np.float32)


def _is_count(value: Any, largest: int) -> bool:
    return type(value) is int and 1 <= value <= largest
