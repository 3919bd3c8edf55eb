"""The lines of Python that paint the same superpixels again."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf.painting import painted_whole
from napari_paf.widgets.common.records import axes_across

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_paf.widgets.painter.target import Target


def as_python(target: Target) -> str:
    """Return a script, for napari's console, that paints what is painted now.

    Parameters
    ----------
    target : Target
        Superpixels, and the labels that are painted on.

    Returns
    -------
    code : str
        It leaves the labels in ``labels``, of the superpixels' shape; empty if no
        superpixel is painted. What was painted otherwise is counted in a comment.
    """
    superpixels, labels = np.asarray(target.superpixels.data), target.labels()
    lines, n_other = [], 0
    for index, text in _planes(superpixels.shape, axes_across(target.superpixels)):
        painted = painted_whole(superpixels[index], labels[index])
        chosen = [number for numbers in painted.values() for number in numbers]
        others = labels[index][~np.isin(superpixels[index], chosen)]
        n_other += int(np.count_nonzero(others))
        lines += [
            f"    ({text}, {label}, {numbers})," for label, numbers in painted.items()
        ]
    if not lines:
        return ""
    lines = [
        "import numpy as np",
        "",
        f"superpixels = np.asarray(viewer.layers[{target.superpixels.name!r}].data)",
        f"labels = np.zeros(superpixels.shape, np.{labels.dtype})",
        "painted = [  # where, the label, the superpixels that have it",
        *lines,
        "]",
        "for where, label, numbers in painted:",
        "    labels[where][np.isin(superpixels[where], numbers)] = label",
    ]
    if n_other:
        lines.append(f"# {n_other} pixels that were painted otherwise are left out.")
    return "\n".join(lines) + "\n"


def _planes(
    shape: tuple[int, ...], across: tuple[int, ...]
) -> Iterator[tuple[Any, str]]:
    """Yield the index of every plane, as it is and as it is written."""
    for place in product(*(range(shape[axis]) for axis in across)):
        at = dict(zip(across, place, strict=True))
        index = tuple(at.get(axis, slice(None)) for axis in range(len(shape)))
        parts = (str(at.get(axis, ":")) for axis in range(len(shape)))
        yield index, f"np.s_[{', '.join(parts)}]" if across else "..."
