"""From pairs of layers to what is learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf._validation import proportions
from napari_paf.widgets.common.layers import full_resolution
from napari_paf.widgets.train.texts import NO_BOUNDARY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari.layers import Image, Labels
    from numpy.typing import NDArray

    from napari_paf._progress import Progress
    from napari_paf.training.sampling import Sample

MOST_PLANES = 100  # of a stack; neighbouring planes show much the same
MOST_VALIDATED = 4  # images; more would hold up the training


@dataclass(frozen=True)
class Source:
    """An image and its labels as they were when the training was started."""

    name: str
    image: Any
    labels: Any
    rgb: bool
    spacing: tuple[float, ...] = (1.0, 1.0)  # of rows and columns, in proportion

    @classmethod
    def of(cls, image: Image, labels: Labels) -> Source:
        """Return what layers have now; arrays may be lazy and are not read."""
        data = full_resolution(image)
        sizes = tuple(abs(float(size)) or 1.0 for size in image.scale[-2:])
        truth = full_resolution(labels)
        spacing = proportions(sizes, truth.shape[-2:])
        return cls(image.name, data, truth, bool(image.rgb), spacing)

    @property
    def n_pixels(self) -> int:
        """Number of pixels, of all planes."""
        return int(np.prod(self.labels.shape))

    def read(
        self, unlabelled: int | None, progress: Progress
    ) -> Iterable[tuple[NDArray[Any], NDArray[Any]]]:
        """Yield the planes that have labels, as copies; may take long."""
        found = []
        for index in np.ndindex(*self.labels.shape[:-2]):
            progress(0, f"Reading {self.name}")
            if np.asarray(self.labels[index]).any():
                found.append(index)
        if not found:
            raise ValueError(
                f"The labels of \u201c{self.name}\u201d are empty: paint objects with "
                "a number each."
            )
        for index in evenly(found, MOST_PLANES):
            progress(0, f"Reading {self.name}")
            image = np.array(self.image[index])
            if self.rgb:
                image = np.moveaxis(image[..., :3], -1, 0)
            else:
                image = image[None]
            yield image, _compact(np.asarray(self.labels[index]))


def read_samples(
    sources: Sequence[Source], unlabelled: int | None, progress: Progress
) -> tuple[list[Sample], list[Sample]]:
    """Return samples to learn from and samples to validate on.

    Raises
    ------
    TypeError, ValueError
        If a pair does not fit, or there is nothing to learn.
    """
    from napari_paf.training.pairs import as_samples, for_validation, hold_out
    from napari_paf.training.validation import LARGEST

    samples: list[Sample] = []
    for source in sources:
        for pair in source.read(unlabelled, progress):
            try:
                samples += as_samples([pair], "pairs", 0, unlabelled, source.spacing)
            except (TypeError, ValueError) as error:
                said = str(error).replace("pairs[0]", f"\u201c{source.name}\u201d")
                raise type(error)(said) from None
    if not any(len(sample.boundary) for sample in samples):
        raise ValueError(NO_BOUNDARY)
    learning, held_out = hold_out(samples)
    if not any(len(sample.boundary) for sample in learning):
        return samples, []  # all there is to learn lies in the part held out
    return learning, evenly(for_validation(held_out, LARGEST), MOST_VALIDATED)


def evenly(items: list[Any], n_items: int) -> list[Any]:
    """Return at most so many of the items, evenly spaced."""
    if len(items) <= n_items:
        return items
    return [items[i * len(items) // n_items] for i in range(n_items)]


def _compact(labels: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of labels, huge and negative numbers made small."""
    if labels.dtype.kind == "b" or (labels.min() >= 0 and labels.max() < 2**31):
        return labels.copy()
    _, inverse = np.unique(labels, return_inverse=True)
    small = (inverse.reshape(labels.shape) + 1).astype(np.int32)
    small[labels == 0] = 0
    return small
