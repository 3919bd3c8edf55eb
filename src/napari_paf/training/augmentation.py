"""What may be changed about a training crop without changing its labels."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from napari_paf.training.checks import check_over_zero

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """How far training crops may depart from the images they come from.

    Ranges are for factors, shares are probabilities per crop.

    Raises
    ------
    TypeError, ValueError
        If a number makes no sense, such as a factor of 0.
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

    def __post_init__(self) -> None:
        """Refuse what no crop could be changed by."""
        for key in ("zoom", "gamma", "contrast"):
            _check_factors(key, getattr(self, key))
        check_over_zero("stretch", self.stretch)
        for key in ("invert", "grey", "colour", "blur", "noise"):
            _check_up_to(key, getattr(self, key), 1)
        for key in ("brightness", "blur_sigma", "noise_sigma"):
            _check_up_to(key, getattr(self, key), math.inf)


def _check_factors(key: str, factors: Any) -> None:
    """Raise unless a setting is two numbers over 0, in order."""
    if not isinstance(factors, tuple | list) or len(factors) != 2:
        raise TypeError(f"{key}={factors!r}: give the lowest and the highest factor.")
    for factor in factors:
        check_over_zero(key, factor)
    if factors[0] > factors[1]:
        raise ValueError(f"{key}={factors!r}: give the lowest factor first.")


def _check_up_to(key: str, number: Any, most: float) -> None:
    """Raise unless a setting is a finite number from 0 to `most`."""
    to = "on" if most == math.inf else f"to {most:g}"
    if isinstance(number, bool) or not isinstance(number, numbers.Real):
        raise TypeError(f"{key}={number!r}: give a number from 0 {to}.")
    if not (0 <= float(number) <= most and math.isfinite(number)):
        raise ValueError(f"{key}={number!r}: give a number from 0 {to}.")


def change_intensity(
    image: Tensor, rng: np.random.Generator, augmentation: Augmentation
) -> Tensor:
    """Return a crop (channel, *spatial) as another camera might have seen it."""
    a = augmentation
    n_channels = len(image)
    if n_channels > 1 and rng.random() < a.grey:
        share = rng.dirichlet(np.ones(n_channels)).astype(np.float32)
        mixed = torch.tensordot(torch.from_numpy(share), image, dims=1)
        image = mixed.expand_as(image)
    elif a.colour and n_channels > 1:
        gain = rng.uniform(1 - a.colour, 1 + a.colour, n_channels)
        shift = rng.uniform(-a.colour, a.colour, n_channels)
        image = image * _per_channel(gain, image) + _per_channel(shift, image)
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


def _per_channel(values: NDArray[np.float64], image: Tensor) -> Tensor:
    column = torch.from_numpy(values.astype(np.float32))
    return column.view(-1, *(1,) * (image.ndim - 1))


def _blur(image: Tensor, sigma: float) -> Tensor:
    reach = 4
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    ndim = image.ndim - 1
    convolve = F.conv2d if ndim == 2 else F.conv3d
    x = F.pad(image[:, None], (reach,) * 2 * ndim, mode="replicate")
    for axis in range(2, 2 + ndim):
        shape = [1] * (2 + ndim)
        shape[axis] = -1
        x = convolve(x, kernel.view(shape))
    return x[:, 0]
