"""Why a training can't work, as far as it can be seen without reading much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_paf.affinity.model_store import check_free_name
from napari_paf.widgets.common.layers import full_resolution
from napari_paf.widgets.train.pairs import spatial_shape
from napari_paf.widgets.train.texts import NO_IMAGE, NO_LABELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image, Labels

_MOST_PIXELS_TO_READ = 2**22
_MOST_PIXELS_AT_ONCE = 2**29  # of a plane


def why_not(
    rows: Sequence[tuple[Image | None, Labels | None]], *, name: str, any_image: bool
) -> str:
    """Return why training on these pairs can't work, or an empty string."""
    if not any_image:
        return NO_IMAGE
    pairs = [(i, x) for i, x in rows if i is not None and x is not None]
    if not pairs:
        return NO_LABELS
    for image, labels in rows:
        if (image is None) != (labels is None):
            what, other = ("labels", image) if labels is None else ("image", labels)
            assert other is not None
            return f"Choose the {what} that go with \u201c{other.name}\u201d."
    for image, labels in pairs:
        reason = _why_not_pair(image, labels)
        if reason:
            return reason
    try:
        check_free_name(name)
    except (TypeError, ValueError) as error:
        return str(error)
    return ""


def _why_not_pair(image: Image, labels: Labels) -> str:
    shapes = [spatial_shape(layer) for layer in (image, labels)]
    if shapes[0] != shapes[1]:
        sizes = [" \u00d7 ".join(map(str, shape)) for shape in shapes]
        return (
            f"The image \u201c{image.name}\u201d has {sizes[0]} pixels, the labels "
            f"\u201c{labels.name}\u201d {sizes[1]}; choose labels of the image's size."
        )
    if 0 in shapes[0]:
        return f"The image \u201c{image.name}\u201d has no pixels."
    rows, columns = shapes[0][-2:]
    if rows * columns > _MOST_PIXELS_AT_ONCE:
        return (
            f"The image \u201c{image.name}\u201d has too many pixels to learn from "
            f"({rows} \u00d7 {columns}); choose layers with a part of it."
        )
    data = full_resolution(labels)
    small = isinstance(data, np.ndarray) and data.size <= _MOST_PIXELS_TO_READ
    if small and not data.any():
        return (
            f"The labels \u201c{labels.name}\u201d are empty: paint objects with a "
            "number each."
        )
    return ""
