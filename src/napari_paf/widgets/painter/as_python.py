"""The lines of Python that paint the same superpixels again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_paf.painting import painted_whole

if TYPE_CHECKING:
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
    superpixels = np.asarray(target.superpixels.data)
    labels = target.read(np.arange(superpixels.size)).reshape(superpixels.shape)
    painted = painted_whole(superpixels, labels)
    if not painted:
        return ""
    chosen = [number for numbers in painted.values() for number in numbers]
    n_other = int(np.count_nonzero(labels[~np.isin(superpixels, chosen)]))
    lines = [
        "import numpy as np",
        "",
        f"superpixels = np.asarray(viewer.layers[{target.superpixels.name!r}].data)",
        f"labels = np.zeros(superpixels.shape, np.{labels.dtype})",
        "painted = {  # the superpixels that have a label",
        *(f"    {label}: {numbers}," for label, numbers in painted.items()),
        "}",
        "for label, numbers in painted.items():",
        "    labels[np.isin(superpixels, numbers)] = label",
    ]
    if n_other:
        lines.append(f"# {n_other} pixels that were painted otherwise are left out.")
    return "\n".join(lines) + "\n"
