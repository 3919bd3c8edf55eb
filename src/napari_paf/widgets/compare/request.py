"""What a run of the Compare widget measures, fixed when it starts."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_paf._progress import part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_paf._progress import Progress
    from napari_paf.widgets.common.layers import Index
    from napari_paf.widgets.common.plane import Plane
    from napari_paf.widgets.compare.read import Beside

Row = dict[str, Any]
N_SIZES = 9  # points of a curve
_SPAN = 8  # from a curve's fewest superpixels to those of the layer, and on


class Sizes(Protocol):
    """Labels of a layer at other numbers of superpixels."""

    @property
    def index(self) -> Index:
        """Which part of the layer's data can be others."""

    @property
    def n_segments(self) -> int:
        """The number that was asked for."""

    def labels(self, n_segments: int) -> NDArray[Any]:
        """Return what the layer would have at `index`."""


@dataclass(frozen=True)
class Side:
    """A labels layer, what of it is measured, and what it is measured against."""

    name: str
    plane: Plane
    truths: tuple[Beside, ...]
    image: Beside | None
    sizes: Sizes | None = None


@dataclass(frozen=True)
class Compared:
    """The outcome: a row for each layer, where they leak, and curves."""

    rows: list[Row]
    leaks: list[NDArray[Any] | None]
    curves: list[list[Row]]
    seconds: float
    not_finite: str = ""  # an image without explained variation somewhere


@dataclass(frozen=True)
class CompareRequest:
    """The arguments of a run; calling it does the work, in any thread."""

    sides: tuple[Side, ...]
    unlabelled: int | None
    tolerance: int
    leaks: bool = False
    curve: bool = False

    def __call__(self, progress: Progress) -> Compared:
        """Read the layers and measure them."""
        start = time.perf_counter()
        progress(0, "Loading Numba")
        import napari_paf.metrics  # noqa: F401

        rows: list[Row] = []
        leaks: list[NDArray[Any] | None] = []
        curves: list[list[Row]] = []
        for number, side in enumerate(self.sides):
            share = part(
                progress, number / len(self.sides), (number + 1) / len(self.sides)
            )
            if self.curve:
                curves.append(self._measure_sizes(side, share))
            else:
                row, leaking = self._measure(side, side.plane.data, share)
                rows.append(row)
                leaks.append(leaking)
        measured = curves if self.curve else [[row] for row in rows]
        not_finite = [
            side.image.name
            for side, of_side in zip(self.sides, measured, strict=True)
            if side.image and any("explained_variation" not in row for row in of_side)
        ]
        seconds = time.perf_counter() - start
        return Compared(rows, leaks, curves, seconds, *not_finite[:1])

    def _measure_sizes(self, side: Side, progress: Progress) -> list[Row]:
        """Measure many numbers of superpixels, each of them one cut of a tree."""
        assert side.sizes is not None
        rows = []
        numbers = sizes_around(side.sizes.n_segments)
        labels = np.zeros(side.plane.stack_shape, np.uint32)
        for i, number in enumerate(numbers):
            share = part(progress, i / len(numbers), (i + 1) / len(numbers))
            share(0, f"{side.name}: {number} superpixels")
            try:
                labels[side.sizes.index] = side.sizes.labels(number)
            except ValueError:
                continue  # fewer than islands in the mask, or more than pixels
            row, _ = self._measure(side, labels, share, leaks=False)
            rows.append({**row, "source": "hierarchy", "n_asked": number})
        return rows

    def _measure(
        self, side: Side, data: Any, progress: Progress, *, leaks: bool = True
    ) -> tuple[Row, NDArray[Any] | None]:
        from napari_paf.leaks import leaking_pixels
        from napari_paf.metrics import evaluate

        shape = side.plane.stack_shape
        leaking = None
        measured = []
        for index, labels, truths, which in self._pieces(side, data, progress):
            mask = labels != 0
            inside = None if mask.all() else mask
            image = None if side.image is None else side.image.read(index, shape)
            if image is not None and not np.isfinite(image[mask]).all():
                image = None  # the other measures do not need it
            measured.append(
                evaluate(
                    labels,
                    truths,
                    image=image,
                    channel_axis=-1 if side.image and side.image.rgb else None,
                    tolerance=self.tolerance,
                    unlabelled=self.unlabelled,
                    mask=inside,
                )
            )
            if self.leaks and leaks:
                progress(which, f"{side.name}: where it leaks")
                if leaking is None:
                    # Bytes: napari needs seconds to colour millions of large ids.
                    leaking = np.zeros(_shape_of_all(side.plane), np.uint8)
                share = leaking_pixels(
                    labels, truths, unlabelled=self.unlabelled, mask=inside
                )
                place = tuple(
                    0 if isinstance(whole, int) else at
                    for at, whole in zip(index, side.plane.index, strict=True)
                )
                leaking[place] = share >= 0.5
        if not measured:
            raise ValueError(
                f"\u201c{side.name}\u201d has no superpixel where the ground truth is "
                "labelled; choose other layers, or another plane."
            )
        row = {"labels": side.name, "source": "layer", **means(measured)}
        return row, leaking

    def _pieces(
        self, side: Side, data: Any, progress: Progress
    ) -> Iterator[tuple[Index, NDArray[Any], list[NDArray[Any]], float]]:
        """Yield what is measured as one: planes, or a volume, that have something."""
        shape, n_planes = side.plane.stack_shape, side.plane.n_planes
        for number, plane in enumerate(side.plane.planes()):
            which = f", plane {number + 1} of {n_planes}" if n_planes > 1 else ""
            progress(number / n_planes, f"{side.name}{which}")
            labels = np.array(data[plane.index])  # the layer may be edited meanwhile
            if not labels.any():
                continue
            truths = []
            for beside in side.truths:
                truth = beside.read(plane.index, shape)
                truths += list(truth) if beside.annotators else [truth]
            if self.unlabelled is not None:
                inside = labels != 0
                truths = [t for t in truths if (t[inside] != self.unlabelled).any()]
            if n_planes > 1:  # of a stack, planes may have no ground truth
                truths = [truth for truth in truths if truth.any()]
            if truths:
                yield plane.index, labels, truths, number / n_planes


def sizes_around(n_segments: int) -> list[int]:
    """Return numbers of superpixels below and above one, in equal ratios."""
    low, high = max(2, n_segments // _SPAN), max(8, n_segments * _SPAN)
    numbers = np.geomspace(low, high, 2 * (N_SIZES // 2) + 1)
    return sorted({*(round(number) for number in numbers), n_segments})


def means(measured: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the means over planes, of those that have a value; counts are summed."""
    row = {}
    for name in dict.fromkeys(name for each in measured for name in each):
        values = [each[name] for each in measured if name in each]
        known = [value for value in values if not math.isnan(value)]
        row[name] = sum(known) / len(known) if known else math.nan
    row["n_segments"] = sum(each["n_segments"] for each in measured)
    return row


def _shape_of_all(plane: Plane) -> tuple[int, ...]:
    """Return the size of what is measured, with an axis of 1 for each that is cut."""
    return tuple(
        length if isinstance(part, slice) else 1
        for part, length in zip(plane.index, plane.stack_shape, strict=True)
    )
