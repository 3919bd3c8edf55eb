"""Random training crops: where to look, and what may be changed about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from napari_paf.affinity.normalize import normalize_intensity
from napari_paf.training.targets import affinity_targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_paf._offsets import Offset


@dataclass(frozen=True)
class Augmentation:
    """How far training crops may depart from the images they come from.

    Ranges are for factors, shares are probabilities per crop.
    """

    zoom: tuple[float, float] = (0.7, 1.5)
    stretch: float = 1.15  # of one axis against the other
    invert: float = 0.1
    grey: float = 0.15  # colour images only
    gamma: tuple[float, float] = (0.6, 1.7)
    contrast: tuple[float, float] = (0.6, 1.25)
    brightness: float = 0.2
    colour: float = 0.15  # independent gain and shift of the channels
    blur: float = 0.2
    blur_sigma: float = 1.5  # at most, in pixels
    noise: float = 0.3
    noise_sigma: float = 0.12  # at most; the image's range is 2


@dataclass(eq=False)
class Sample:
    """A labelled image, stored compactly, that crops can be drawn from.

    Parameters
    ----------
    image : (channel, row, column) ndarray
        Any real dtype.
    labels : (annotator, row, column) ndarray of int
        One label image per annotator.
    unlabelled, background_weight
        As in `affinity_targets`.
    """

    image: NDArray[Any]
    labels: NDArray[Any]
    unlabelled: int | None = None
    background_weight: float = 1.0
    boundary: NDArray[np.int32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Store the image in bytes, and find the boundaries."""
        # One byte per value: finer steps drown in the noise added later.
        values = normalize_intensity(self.image)
        self.image = np.clip(np.rint((values + 1.25) * 102), 0, 255).astype(np.uint8)
        offsets = ((0, 1), (1, 0))
        target, weight = affinity_targets(
            self.labels[0], offsets, unlabelled=self.unlabelled
        )
        edge = ((target == 0) & (weight > 0)).any(axis=0)
        self.boundary = np.flatnonzero(edge).astype(np.int32)


def draw_crop(
    sample: Sample,
    size: int,
    rng: np.random.Generator,
    augmentation: Augmentation,
    *,
    near_boundary: float = 0.5,
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return a random square crop of an image and of its annotators' labels.

    Zoomed, flipped and turned by quarter turns at random; images that are too
    small are continued by reflection.

    Parameters
    ----------
    sample : Sample
    size : int
        Edge length of the crop, in pixels.
    rng : numpy.random.Generator
    augmentation : Augmentation
    near_boundary : float, default: 0.5
        Share of the crops that contain a pixel of a boundary for certain.

    Returns
    -------
    image : (channel, size, size) ndarray of float32
    labels : (annotator, size, size) ndarray of int
    """
    shape = sample.labels.shape[1:]
    zoom = np.exp(rng.uniform(*np.log(augmentation.zoom)))
    stretch = augmentation.stretch ** rng.uniform(-0.5, 0.5)
    extent = [max(8, round(size / z)) for z in (zoom * stretch, zoom / stretch)]

    position = None
    if len(sample.boundary) and rng.random() < near_boundary:
        position = np.unravel_index(int(rng.choice(sample.boundary)), shape)
    index = []
    for axis, (n, length) in enumerate(zip(shape, extent, strict=True)):
        low, high = min(0, n - length), max(0, n - length)
        if position is not None:
            low, high = max(low, position[axis] - length + 1), min(high, position[axis])
        reach = np.arange(length) + rng.integers(low, max(low, high) + 1)
        # Reflection without repeating the border pixel.
        period = max(1, 2 * (n - 1))
        reach = np.abs((reach + n - 1) % period - (n - 1)) if n > 1 else reach * 0
        index.append(reach)
    nearest = [
        reach[((np.arange(size) + 0.5) * len(reach) / size).astype(np.intp)]
        for reach in index
    ]
    labels = sample.labels[:, nearest[0][:, None], nearest[1]]
    image = sample.image[:, index[0][:, None], index[1]].astype(np.float32)
    image = F.interpolate(
        torch.from_numpy(image)[None], (size, size), mode="bilinear", antialias=True
    )[0].numpy()
    image = image / np.float32(102) - np.float32(1.25)

    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    image, labels = (np.rot90(a, turns, axes=(1, 2)) for a in (image, labels))
    if flip:
        image, labels = image[:, :, ::-1], labels[:, :, ::-1]
    return image, labels


def change_intensity(
    image: Tensor, rng: np.random.Generator, augmentation: Augmentation
) -> Tensor:
    """Return a crop (channel, row, column) as another camera might have seen it."""
    a = augmentation
    n_channels = len(image)
    if n_channels > 1 and rng.random() < a.grey:
        share = rng.dirichlet(np.ones(n_channels)).astype(np.float32)
        mixed = torch.tensordot(torch.from_numpy(share), image, dims=1)
        image = mixed.expand_as(image)
    elif a.colour and n_channels > 1:
        gain = rng.uniform(1 - a.colour, 1 + a.colour, n_channels)
        shift = rng.uniform(-a.colour, a.colour, n_channels)
        image = image * _column(gain) + _column(shift)
    if rng.random() < a.invert:
        image = -image
    if rng.random() < 0.5:
        gamma = float(np.exp(rng.uniform(*np.log(a.gamma))))
        image = ((image.clamp(-1, 1) + 1) / 2).pow(gamma) * 2 - 1
    contrast = float(np.exp(rng.uniform(*np.log(a.contrast))))
    image = image * contrast + rng.uniform(-a.brightness, a.brightness)
    if rng.random() < a.blur:
        image = _blur(image, rng.uniform(0.3, a.blur_sigma))
    if rng.random() < a.noise:
        noise = rng.standard_normal(image.shape, np.float32)
        image = image + torch.from_numpy(noise) * rng.uniform(0, a.noise_sigma)
    return image


def draw_batch(
    samples: Sequence[Sample],
    probabilities: NDArray[np.float64],
    offsets: Sequence[Offset],
    *,
    batch: int,
    size: int,
    channels: int,
    rng: np.random.Generator,
    augmentation: Augmentation,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a random batch: images, affinity targets, and weights of the pairs.

    The targets are the means over the annotators of an image, pair by pair.
    """
    images, targets, weights = [], [], []
    for number in rng.choice(len(samples), batch, p=probabilities):
        sample = samples[number]
        crop, labels = draw_crop(sample, size, rng, augmentation)
        image = torch.from_numpy(np.ascontiguousarray(crop))
        image = change_intensity(image, rng, augmentation)
        images.append(image.expand(channels, -1, -1))
        inside = np.zeros((len(offsets), size, size), np.float32)
        total = np.zeros_like(inside)
        for annotation in labels:
            target, weight = affinity_targets(
                annotation,
                offsets,
                unlabelled=sample.unlabelled,
                background_weight=sample.background_weight,
            )
            inside += target * weight
            total += weight
        targets.append(torch.from_numpy(inside / np.maximum(total, 1e-6)))
        weights.append(torch.from_numpy(total / np.float32(len(labels))))
    return torch.stack(images), torch.stack(targets), torch.stack(weights)


def _column(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).view(-1, 1, 1)


def _blur(image: Tensor, sigma: float) -> Tensor:
    reach = 4
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    x = F.pad(image[:, None], (reach,) * 4, mode="replicate")
    x = F.conv2d(F.conv2d(x, kernel), kernel.transpose(2, 3))
    return x[:, 0]
