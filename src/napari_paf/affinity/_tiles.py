"""Networks on images of any size: tiles that fit the memory, with equal results."""

from __future__ import annotations

import copy
import itertools
import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_paf._progress import Progress, part
from napari_paf.affinity.device import (
    free_memory,
    is_out_of_memory,
    release_memory,
)

SHARE_OF_FREE_MEMORY = 0.7
"""Of a graphics card: the rest is for the convolution's own workspace."""

DEFAULT_MEMORY = 2 << 30
"""Bytes for a tile where it is not known how many are free."""

MOST_PLANES = 16
"""Planes of a stack that are predicted together."""

Box = tuple[slice, ...]
WHOLE = slice(None)


@dataclass(frozen=True)
class Tile:
    """A part of an image: what the network sees, and what is kept of its answer."""

    seen: Box  # of the image
    kept: Box  # of the answer
    place: Box  # of the image, the same pixels as `kept`


def plan_tiles(
    shape: tuple[int, ...], halo: int, stride: int, most_pixels: float
) -> list[Tile]:
    """Cut an image into tiles of at most about `most_pixels`, each with its halo.

    Tiles begin at multiples of `stride`, so that pooling meets the same pixels as
    in the whole image. Axes that fit are left whole: no halo is spent on them.

    Examples
    --------
    >>> for tile in plan_tiles((4, 40), halo=3, stride=4, most_pixels=4 * 28):
    ...     print(tile.seen[1], tile.kept[1], tile.place[1])
    slice(0, 23, None) slice(0, 20, None) slice(0, 20, None)
    slice(16, 40, None) slice(4, 24, None) slice(20, 40, None)
    """
    before = math.ceil(halo / stride) * stride
    left = float(most_pixels)
    cores = [0] * len(shape)
    by_length = sorted(range(len(shape)), key=shape.__getitem__)
    for n_fixed, axis in enumerate(by_length):
        length = shape[axis]
        side = int(left ** (1 / (len(shape) - n_fixed)) + 1e-9)
        if side >= length:
            cores[axis] = length
            left /= length
            continue
        # Below the size of the halo, most of the work would be thrown away.
        core = max((side - 2 * before) // stride * stride, before, stride)
        n_tiles = math.ceil(length / core)
        cores[axis] = math.ceil(length / n_tiles / stride) * stride  # all alike
        left /= core + 2 * before

    def cut(start: int, core: int, length: int) -> tuple[slice, slice, slice]:
        stop = min(start + core, length)
        first = max(start - before, 0)
        seen = slice(first, min(stop + halo, length))
        return seen, slice(start - first, stop - first), slice(start, stop)

    starts = [range(0, n, core) for n, core in zip(shape, cores, strict=True)]
    return [
        Tile(*zip(*map(cut, corner, cores, shape), strict=True))
        for corner in itertools.product(*starts)
    ]


class TiledNetwork:
    """A network's affinities of whole images, computed in tiles that fit.

    Where a graphics card runs out of memory, tiles shrink; where not even the
    smallest fit, the CPU goes on, with a warning.

    Parameters
    ----------
    network : torch.nn.Module
        Called with a batch and a progress callback. Left as it is: if it is not on
        the device, a copy goes there.
    device : torch.device
    memory : int, optional
        Bytes that a tile may take. Default: most of what is free on a CUDA card,
        2 GiB elsewhere.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, memory: int | None = None
    ) -> None:
        self._network: Any = network
        self._memory = memory
        self._move_to(device)

    @property
    def n_planes(self) -> int:
        """How many planes to give at once, if each fits into a tile."""
        return MOST_PLANES if self._device.type != "cpu" else 1

    def __call__(
        self, prepared: NDArray[np.float32], progress: Progress
    ) -> NDArray[np.float32]:
        """Return affinities (batch, offset, *spatial) of what `prepare` has made.

        Parameters
        ----------
        prepared : (batch, channel, *spatial) ndarray of float32
        progress : callable
            Called with the fraction done, also within a tile.
        """
        shape = (len(prepared), len(self._network.offsets), *prepared.shape[2:])
        affinity = np.zeros(shape, np.float32)
        while True:
            try:
                self._fill(affinity, prepared, progress)
                return affinity
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                # The error's traceback holds on to the tensors.
                error.__traceback__ = None
            self._shrink(prepared.shape)

    def _fill(
        self,
        affinity: NDArray[np.float32],
        prepared: NDArray[np.float32],
        progress: Progress,
    ) -> None:
        tiles = self._plan(prepared.shape)
        temperature = self._network.config.temperature
        for number, tile in enumerate(tiles):
            report = part(progress, number / len(tiles), (number + 1) / len(tiles))
            seen = np.ascontiguousarray(prepared[(WHOLE, WHOLE, *tile.seen)])
            with torch.inference_mode():
                x = torch.from_numpy(seen).to(self._device)
                logits = self._network(x, report)[(WHOLE, WHOLE, *tile.kept)]
                place = torch.from_numpy(affinity)[(WHOLE, WHOLE, *tile.place)]
                place.copy_(logits)
        # Of the whole at once: how it is rounded may depend on how values lie.
        torch.from_numpy(affinity).div_(temperature).sigmoid_()
        for k, offset in enumerate(self._network.offsets):
            for axis, step in enumerate(offset, start=1):
                if step:  # no neighbour beyond the last pixel, or before the first
                    border = np.moveaxis(affinity[:, k], axis, 0)
                    border[-1 if step > 0 else 0] = 0
        progress(1.0, "")

    def _plan(self, shape: tuple[int, ...]) -> list[Tile]:
        network = self._network
        return plan_tiles(
            shape[2:], network.halo, network.stride, self._most_pixels / shape[0]
        )

    def _move_to(self, device: torch.device) -> None:
        if self._network.training or any(
            weight.device != device for weight in self._network.parameters()
        ):
            self._network = copy.deepcopy(self._network).eval().to(device)
        self._device = device
        free = free_memory(device)
        memory = DEFAULT_MEMORY if free is None else int(free * SHARE_OF_FREE_MEMORY)
        if self._memory is not None:
            memory = min(self._memory, memory)
        self._most_pixels = max(memory / self._network.memory_per_pixel, 1)

    def _shrink(self, shape: tuple[int, ...]) -> None:
        """Halve the tiles; where they can't shrink, go to the CPU."""
        release_memory(self._device)
        before = self._plan(shape)
        largest = max(math.prod(s.stop - s.start for s in t.seen) for t in before)
        self._most_pixels = min(self._most_pixels, largest * shape[0]) / 2
        if len(self._plan(shape)) > len(before):
            return
        if self._device.type == "cpu":
            raise MemoryError(
                "There is not enough memory to predict affinities: close other "
                "programs, or give a part of the image."
            )
        warnings.warn(
            f"The memory of {self._device} is used up: going on with the CPU, which "
            "is slower.",
            stacklevel=2,
        )
        self._move_to(torch.device("cpu"))
