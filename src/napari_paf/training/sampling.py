"""Labelled images and the random crops of them that a network learns from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from napari_paf._offsets import neighbour_offsets
from napari_paf.affinity.normalize import normalize_channels
from napari_paf.training.augmentation import Augmentation, change_intensity
from napari_paf.training.losses import pair_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_paf._offsets import Offset


OFFSET, STEPS = 1.25, 102  # codes 0 ... 255 stand for -1.25 ... 1.25


@dataclass(eq=False)
class Sample:
    """A labelled image, stored compactly, that crops can be drawn from.

    Made by `make_sample`.

    Attributes
    ----------
    codes : (channel, *spatial) ndarray of uint8
        The normalised image; see `decode`.
    labels : (annotator, *spatial) ndarray of int
        One label image per annotator.
    unlabelled, background_weight
        As in `affinity_targets`.
    share : float
        How often crops come from this image, relative to others.
    spacing : tuple of float, or None
        Size of a pixel along each spatial axis; None if all are the same.
    """

    codes: NDArray[np.uint8]
    labels: NDArray[Any]
    unlabelled: int | None = None
    background_weight: float = 1.0
    share: float = 1.0
    spacing: tuple[float, ...] | None = None

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""
        return self.codes.ndim - 1

    @cached_property
    def boundary(self) -> NDArray[np.int32]:
        """Flat indices of pixels at a boundary of the first annotator."""
        faces = neighbour_offsets(self.ndim, 1)
        _inside, across = pair_weights(
            self.labels[0], faces, unlabelled=self.unlabelled
        )
        return np.flatnonzero(across.any(axis=0)).astype(np.int32)

    @cached_property
    def labelled(self) -> NDArray[np.int32]:
        """Flat indices of the pixels that the first annotator has labelled."""
        if self.unlabelled is None:
            return np.zeros(0, np.int32)
        return np.flatnonzero(self.labels[0] != self.unlabelled).astype(np.int32)

    def part(self, *index: slice | int) -> Sample:
        """Return a box or a plane of this sample, normalised as the whole.

        Parameters
        ----------
        *index : slice or int
            One for each spatial axis.
        """
        spacing = self.spacing
        if spacing is not None:
            sizes = zip(spacing, index, strict=True)
            spacing = tuple(size for size, at in sizes if isinstance(at, slice))
        return dataclasses.replace(
            self,
            codes=self.codes[:, *index],
            labels=self.labels[:, *index],
            spacing=spacing,
        )


def make_sample(
    image: NDArray[Any],
    labels: NDArray[Any],
    *,
    unlabelled: int | None = None,
    background_weight: float = 1.0,
    share: float = 1.0,
    spacing: tuple[float, ...] | None = None,
) -> Sample:
    """Return the sample for an image and one or several label images of it.

    Parameters
    ----------
    image : (channel, *spatial) ndarray
        Any real dtype.
    labels : ([annotator,] *spatial) ndarray of int
    unlabelled, background_weight, share, spacing
        As in `Sample`.
    """
    # One byte per value: finer steps drown in the noise that is added later.
    codes = np.rint((normalize_channels(image) + OFFSET) * STEPS)
    # A copy: the caller may go on labelling meanwhile.
    labels = labels.reshape(-1, *image.shape[1:]).copy()
    return Sample(
        np.clip(codes, 0, 255).astype(np.uint8),
        labels,
        unlabelled,
        background_weight,
        share,
        spacing,
    )


def decode(codes: NDArray[Any]) -> NDArray[np.float32]:
    """Return the network's input that `Sample.codes` stand for."""
    return codes.astype(np.float32) / np.float32(STEPS) - np.float32(OFFSET)


def draw_crop(
    sample: Sample,
    size: int,
    rng: np.random.Generator,
    augmentation: Augmentation,
    *,
    near_boundary: float = 0.5,
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return a random crop of an image and of its annotators' labels.

    A square, or a cube of a volume. Zoomed, flipped and turned by quarter turns (in
    the plane) at random; images that are too small are continued by reflection.

    Parameters
    ----------
    sample : Sample
    size : int
        Edge length of the crop, in pixels.
    rng : numpy.random.Generator
    augmentation : Augmentation
        Volumes are not zoomed along their planes' axis.
    near_boundary : float, default: 0.5
        Share of the crops that contain a pixel of a boundary for certain; the
        others contain a labelled one.

    Returns
    -------
    image : (channel, size, ...) ndarray of float32
    labels : (annotator, size, ...) ndarray of int
    """
    shape, ndim = sample.labels.shape[1:], sample.ndim
    zoom = np.exp(rng.uniform(*np.log(augmentation.zoom)))
    stretch = augmentation.stretch ** rng.uniform(-0.5, 0.5)
    factors = (1.0,) * (ndim - 2) + (zoom * stretch, zoom / stretch)
    extent = [max(8, round(size / factor)) for factor in factors]

    position = None
    wanted = sample.boundary if rng.random() < near_boundary else sample.labelled
    if len(wanted):
        position = np.unravel_index(int(rng.choice(wanted)), shape)
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
    labels = sample.labels[:, *np.ix_(*nearest)]
    image = sample.codes[:, *np.ix_(*index)].astype(np.float32)
    mode = {2: "bilinear", 3: "trilinear"}[ndim]
    image = F.interpolate(
        torch.from_numpy(image)[None], (size,) * ndim, mode=mode, antialias=ndim == 2
    )[0].numpy()
    image = decode(image)

    turns = int(rng.integers(4))
    image, labels = (np.rot90(a, turns, axes=(-2, -1)) for a in (image, labels))
    # With the turns, one flip in the plane gives all of them.
    for axis in (-1, -3)[: ndim - 1]:
        if rng.integers(2):
            image, labels = np.flip(image, axis), np.flip(labels, axis)
    return image, labels


# Changes the weights of one annotator of crop `i`: (i, inside, across, labels).
Reweight = Callable[
    [int, "NDArray[np.float32]", "NDArray[np.float32]", "NDArray[Any]"],
    "tuple[NDArray[np.float32], NDArray[np.float32]]",
]


@dataclass
class Crops:
    """Random crops with their labels."""

    image: Tensor
    labels: list[NDArray[Any]]
    samples: list[Sample]

    def weights(
        self, offsets: Sequence[Offset], reweight: Reweight | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the weights of all pairs, means over the annotators of an image."""
        shape = (len(self.labels), len(offsets), *self.image.shape[2:])
        inside, across = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for i, (sample, labels) in enumerate(
            zip(self.samples, self.labels, strict=True)
        ):
            for annotation in labels:
                weights = pair_weights(
                    annotation,
                    offsets,
                    unlabelled=sample.unlabelled,
                    background_weight=sample.background_weight,
                )
                if reweight is not None:
                    weights = reweight(i, *weights, annotation)
                inside[i] += weights[0] / np.float32(len(labels))
                across[i] += weights[1] / np.float32(len(labels))
        return torch.from_numpy(inside), torch.from_numpy(across)


def draw_crops(
    samples: Sequence[Sample],
    *,
    batch: int,
    size: int,
    channels: int,
    rng: np.random.Generator,
    augmentation: Augmentation,
) -> Crops:
    """Return a batch of crops, each from a sample drawn according to its share.

    Parameters
    ----------
    samples : sequence of Sample
    batch, size : int
        Number of crops, and their edge length in pixels.
    channels : int
        Channels the network takes; single channels are repeated.
    rng : numpy.random.Generator
        The only source of chance.
    augmentation : Augmentation

    Returns
    -------
    crops : Crops
    """
    shares = np.array([sample.share for sample in samples])
    chosen = [
        samples[i] for i in rng.choice(len(samples), batch, p=shares / shares.sum())
    ]
    images, labels = [], []
    for sample in chosen:
        image, truth = draw_crop(sample, size, rng, augmentation)
        changed = change_intensity(torch.from_numpy(image.copy()), rng, augmentation)
        images.append(changed.expand(channels, *changed.shape[1:]))
        labels.append(truth)
    return Crops(torch.stack(images), labels, chosen)
