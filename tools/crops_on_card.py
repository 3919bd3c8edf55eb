"""Training crops drawn, changed and labelled on a graphics card, a batch at a time.

The processor can prepare some hundred crops a second; a card learns from thousands.
So all images lie in the card's memory, and every step of what
`napari_paf.training.sampling` does crop by crop is done here for a whole batch: where
a crop lies and how it is turned and zoomed, what another camera would have seen, and
which neighbours belong together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_paf.training.augmentation import Augmentation
from napari_paf.training.sampling import OFFSET, STEPS, Sample
from napari_paf.training.targets import pair_slices

if TYPE_CHECKING:
    from napari_paf._offsets import Offset


@dataclass(frozen=True)
class Changes(Augmentation):
    """How far crops may depart from the images they come from.

    Further than for a few images, which are to be learnt as they are.
    """

    zoom: tuple[float, float] = (0.7, 1.6)
    stretch: float = 1.2
    gamma: tuple[float, float] = (0.55, 1.8)
    contrast: tuple[float, float] = (0.5, 1.25)
    turn: float = 0.25  # by any angle, besides quarter turns
    permute: float = 0.1  # the channels
    mix: float = 0.3  # the channels: other stains, other filters
    mix_sigma: float = 0.2
    near_boundary: float = 0.5  # crops with a boundary near their middle


class Bank:
    """Labelled images in the memory of a device.

    Parameters
    ----------
    samples : sequence of Sample
        Images, grey or RGB.
    device : torch.device
    seed : int
    n_annotators : int
        Label images to learn from at a time; of an image with fewer, some twice.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        device: torch.device,
        seed: int,
        changes: Changes | None = None,
        n_annotators: int = 5,
    ) -> None:
        self.device, self.changes = device, changes or Changes()
        self.n_annotators = n_annotators
        self.random = torch.Generator(device).manual_seed(seed)
        n_channels = [len(sample.codes) for sample in samples]
        self.pixels = self._put(np.concatenate([s.codes.ravel() for s in samples]))
        self.labels = self._put(
            np.concatenate([s.labels.astype(np.int32).ravel() for s in samples])
        )
        self.boundary = self._put(np.concatenate([s.boundary for s in samples]))
        self.size = self._put([sample.labels.shape[1:] for sample in samples])
        self.n_channels = self._put(n_channels)
        self.n_labels = self._put([len(sample.labels) for sample in samples])
        self.n_boundary = self._put([len(sample.boundary) for sample in samples])
        self.start = {
            "pixels": self._starts([sample.codes.size for sample in samples]),
            "labels": self._starts([sample.labels.size for sample in samples]),
            "boundary": self._starts([len(sample.boundary) for sample in samples]),
        }
        self.hidden = self._put([s.background_weight for s in samples]).float()
        self.share = self._put([sample.share for sample in samples]).float()

    def _put(self, values: object) -> Tensor:
        return torch.as_tensor(np.asarray(values)).to(self.device)

    def _starts(self, lengths: Sequence[int]) -> Tensor:
        return self._put(np.concatenate([[0], np.cumsum(lengths)[:-1]]))

    def _uniform(self, n: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        random = torch.rand(n, generator=self.random, device=self.device)
        return low + (high - low) * random

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.random, device=self.device)

    def _chosen(self, n: int, probability: float) -> Tensor:
        return self._uniform(n) < probability

    def draw(
        self, batch: int, size: int, offsets: Sequence[Offset]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return images, and the weights `inside` and `across` of all pairs.

        Images are (batch, 3, size, size); weights are means over annotators.
        """
        which = torch.multinomial(
            self.share, batch, replacement=True, generator=self.random
        )
        rows, columns = self._places(which, size)
        image = self._look(which, rows, columns)
        labels = self._label(which, rows, columns)
        inside, across = self._weights(which, labels, offsets)
        return self._change(image, self.n_channels[which] > 1), inside, across

    def _places(self, which: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Return where in its image every pixel of every crop lies."""
        n, a = len(which), self.changes
        step = torch.exp(-self._uniform(n, *np.log(a.zoom)))
        stretch = torch.exp(self._uniform(n, -0.5, 0.5) * float(np.log(a.stretch)))
        angle = torch.floor(self._uniform(n, 0, 4)) * (torch.pi / 2)
        free = self._uniform(n, -1, 1) * (torch.pi / 4)
        angle = angle + torch.where(self._chosen(n, a.turn), free, 0)
        mirror = torch.where(self._chosen(n, 0.5), 1.0, -1.0)
        # From steps of the crop to steps of the image.
        sin, cos = torch.sin(angle), torch.cos(angle)
        down, right = step * stretch, step / stretch
        matrix = torch.stack(
            [down * cos, -right * sin * mirror, down * sin, right * cos * mirror], 1
        ).view(n, 2, 2)
        # A pixel of a boundary anywhere in the crop, or a crop anywhere.
        extent = (size - 1) / 2 * step
        shape = self.size[which].float()
        anywhere = torch.stack([self._uniform(n), self._uniform(n)], 1) * (shape - 1)
        number = (self._uniform(n) * self.n_boundary[which]).long()
        last = (self.n_boundary[which] - 1).clamp_min(0)
        flat = self.boundary[
            (self.start["boundary"][which] + torch.minimum(number, last)).clamp_max(
                len(self.boundary) - 1
            )
        ]
        width = self.size[which, 1]
        at_boundary = torch.stack([flat // width, flat % width], 1).float()
        shift = torch.stack([self._uniform(n, -0.8, 0.8), self._uniform(n, -0.8, 0.8)])
        at_boundary = at_boundary + shift.T * extent[:, None]
        near = self._chosen(n, a.near_boundary) & (self.n_boundary[which] > 0)
        centre = torch.where(near[:, None], at_boundary, anywhere)
        # Inside the image as far as it is large enough.
        margin = torch.minimum(extent[:, None].expand(n, 2), (shape - 1) / 2)
        centre = torch.maximum(torch.minimum(centre, shape - 1 - margin), margin)
        line = torch.arange(size, device=self.device) - (size - 1) / 2
        grid = torch.stack(torch.meshgrid(line, line, indexing="ij")).view(2, -1)
        places = centre[:, :, None] + matrix @ grid
        # Reflection without repeating the border pixel.
        longest = (shape - 1)[:, :, None]
        places = longest - (longest - places.abs() % (2 * longest).clamp_min(1)).abs()
        rows, columns = places.clamp_min(0).view(n, 2, size, size).unbind(1)
        return rows, columns

    def _look(self, which: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the images (batch, 3, row, column) at the places, interpolated."""
        height, width = (self.size[which, i][:, None, None, None] for i in (0, 1))
        n_channels = self.n_channels[which]
        channel = torch.arange(3, device=self.device) % n_channels[:, None]
        start = self.start["pixels"][which, None] + channel * (height * width)[:, 0, 0]
        start = start[:, :, None, None]
        rows, columns = rows[:, None], columns[:, None]
        top, left = rows.floor(), columns.floor()
        image: Tensor | float = 0.0
        for row in (top, top + 1):
            for column in (left, left + 1):
                weight = (1 - (rows - row).abs()) * (1 - (columns - column).abs())
                y = torch.minimum(row.long(), height - 1)
                x = torch.minimum(column.long(), width - 1)
                image = image + self.pixels[start + y * width + x].float() * weight
        assert isinstance(image, Tensor)
        return image / STEPS - OFFSET

    def _label(self, which: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return labels (batch, annotator, row, column) of the nearest pixels."""
        height, width = (self.size[which, i][:, None, None, None] for i in (0, 1))
        first = (self._uniform(len(which)) * self.n_labels[which]).long()
        number = first[:, None] + torch.arange(self.n_annotators, device=self.device)
        number = (number % self.n_labels[which, None])[:, :, None, None]
        start = self.start["labels"][which][:, None, None, None]
        y = rows.round().long()[:, None].minimum(height - 1)
        x = columns.round().long()[:, None].minimum(width - 1)
        return self.labels[start + (number * height + y) * width + x]

    def _weights(
        self, which: Tensor, labels: Tensor, offsets: Sequence[Offset]
    ) -> tuple[Tensor, Tensor]:
        """Return how much every pair counts as one inside, and as one across."""
        n, _, height, width = labels.shape
        inside = torch.zeros(n, len(offsets), height, width, device=self.device)
        across = torch.zeros_like(inside)
        hidden = self.hidden[which][:, None, None, None]
        every = slice(None)
        for k, offset in enumerate(offsets):
            first, second = ((every, every, *side) for side in pair_slices(offset))
            one, other = labels[first], labels[second]
            same = (one == other).float()
            target = (slice(None), k, *first[2:])
            across[target] = 1 - same.mean(1)
            inside[target] = torch.where(one == 0, same * hidden, same).mean(1)
        return inside, across

    def _change(self, image: Tensor, has_colour: Tensor) -> Tensor:
        """Return the crops as another camera would see them; grey stays grey."""
        n, a = len(image), self.changes

        def column(values: Tensor) -> Tensor:
            return values.view(n, -1, 1, 1)

        one = torch.eye(3, device=self.device).expand(n, 3, 3)
        mix = one + torch.where(
            self._chosen(n, a.mix)[:, None, None],
            a.mix_sigma * self._normal(n, 3, 3),
            0.0,
        )
        order = torch.rand(n, 3, generator=self.random, device=self.device).argsort(1)
        permuted = torch.gather(mix, 1, order[:, :, None].expand(n, 3, 3))
        mix = torch.where(self._chosen(n, a.permute)[:, None, None], permuted, mix)
        mix = mix / mix.sum(2, keepdim=True).abs().clamp_min(
            0.5
        )  # about as bright as before
        share = -torch.log(
            torch.rand(n, 1, 3, generator=self.random, device=self.device)
        )
        share = (share / share.sum(2, keepdim=True)).expand(n, 3, 3)
        mix = torch.where(self._chosen(n, a.grey)[:, None, None], share, mix)
        image = (mix @ image.flatten(2)).view_as(image)
        coloured = (self._chosen(n, 1 - a.grey) & has_colour).float()
        gain = 1 + a.colour * coloured[:, None] * (
            2 * self._uniform(3 * n).view(n, 3) - 1
        )
        shift = a.colour * coloured[:, None] * (2 * self._uniform(3 * n).view(n, 3) - 1)
        image = image * column(gain) + column(shift)
        sign = torch.where(self._chosen(n, a.invert), -1.0, 1.0)
        image = image * column(sign)
        gamma = torch.exp(self._uniform(n, *np.log(a.gamma)))
        gamma = torch.where(self._chosen(n, 0.5), gamma, 1.0)
        limited = (image.clamp(-1, 1) + 1) / 2
        bent = limited.clamp_min(1e-4).pow(column(gamma)) * 2 - 1
        image = torch.where(column(gamma) == 1, image, bent)
        contrast = torch.exp(self._uniform(n, *np.log(a.contrast)))
        brightness = self._uniform(n, -a.brightness, a.brightness)
        image = image * column(contrast) + column(brightness)
        sigma = self._uniform(n, 0.3, a.blur_sigma)
        image = _blur(image, torch.where(self._chosen(n, a.blur), sigma, 0.01))
        sigma = self._uniform(n, 0, a.noise_sigma) * self._chosen(n, a.noise)
        noise = self._normal(*image.shape)
        noise = torch.where(column(has_colour), noise, noise[:, :1])
        return image + noise * column(sigma)


def _blur(image: Tensor, sigma: Tensor, reach: int = 4) -> Tensor:
    """Return images blurred along both axes, each with its own sigma."""
    steps = torch.arange(-reach, reach + 1, device=image.device)
    kernel = torch.exp(-0.5 * (steps / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, :, None, None, None]
    for axis in (2, 3):
        n = image.shape[axis]
        padded = torch.nn.functional.pad(
            image,
            (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0),
            "replicate",
        )
        blurred = torch.zeros_like(image)
        for k in range(2 * reach + 1):
            blurred += kernel[:, k] * padded.narrow(axis, k, n)
        image = blurred
    return image
