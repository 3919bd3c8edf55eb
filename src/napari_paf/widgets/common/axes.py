"""What the axes of an image layer are: time, channels, planes, rows and columns."""

from __future__ import annotations

from collections.abc import Sequence

LETTERS = "tczyx"
_NAMES = {
    "t": "t",
    "time": "t",
    "frame": "t",
    "c": "c",
    "ch": "c",
    "channel": "c",
    "channels": "c",
    "z": "z",
    "plane": "z",
    "slice": "z",
    "depth": "z",
    "y": "y",
    "row": "y",
    "x": "x",
    "column": "x",
}
_USUAL = {2: "yx", 3: "zyx", 4: "tzyx", 5: "tczyx"}


def guess_axes(ndim: int, labels: Sequence[str] = ()) -> str:
    """Return a letter for every axis of a layer, from its axis labels if they tell.

    Parameters
    ----------
    ndim : int
        Number of axes, without that of RGB colours.
    labels : sequence of str
        The layer's ``axis_labels``.

    Returns
    -------
    axes : str
        As `check_axes` wants them; axes without a better name are "t".

    Examples
    --------
    >>> guess_axes(3)
    'zyx'
    >>> guess_axes(3, ("channel", "y", "x"))
    'cyx'
    """
    usual = _USUAL.get(ndim, "t" * (ndim - 5) + "tczyx"[-ndim:])
    named = "".join(_NAMES.get(label.strip().lower(), "?") for label in labels)
    if len(named) == ndim and "?" not in named and not why_not_axes(named, ndim):
        return named
    return usual


def why_not_axes(axes: str, ndim: int) -> str:
    """Return why letters cannot be those of a layer's axes, or an empty string.

    Examples
    --------
    >>> why_not_axes("zyx", 3)
    ''
    >>> why_not_axes("zyx", 2)
    'axes=zyx: give a letter for each of the 2 axes, as in yx.'
    """
    example = _USUAL.get(ndim, "t" * max(0, ndim - 5) + "tczyx"[-ndim:])
    if len(axes) != ndim:
        return (
            f"axes={axes}: give a letter for each of the {ndim} axes, as in {example}."
        )
    if set(axes) - set(LETTERS):
        return f"axes={axes}: use t, c, z, y and x only, as in {example}."
    if axes.count("y") != 1 or axes.count("x") != 1:
        return f"axes={axes}: name one axis y and one x, as in {example}."
    if axes.count("z") > 1 or axes.count("c") > 1:
        return f"axes={axes}: name at most one axis z and one c, as in {example}."
    return ""
