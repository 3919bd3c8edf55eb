"""Small free pictures to try things on, with where they come from.

The pictures and their licences are listed in ``index.json``; the licence texts
are in the NOTICE file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Sample", "list_samples", "load_sample"]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture, its labels where there are some, and what is known of them.

    Attributes
    ----------
    key : str
        Name to load it by.
    title : str
        Name to show.
    image : ([plane,] row, column[, channel]) ndarray of uint8 or uint16
        The picture; the channels, if any, are red, green and blue.
    labels : ([plane,] row, column) ndarray of uint16 or None
        One number per object, made by people; None where nobody did.
    axes : str
        One letter per axis of `image`: Z, Y, X, and C for channels.
    spacing : tuple of float or None
        Physical size of a pixel along each spatial axis, where known.
    unit : str or None
        Unit of `spacing`.
    zero_means : str or None
        What the pixels labelled 0 are.
    licence, attribution, source : str
        Terms, whom to credit, and where the picture comes from.
    """

    key: str
    title: str
    image: NDArray[Any]
    labels: NDArray[Any] | None
    axes: str
    spacing: tuple[float, ...] | None
    unit: str | None
    zero_means: str | None
    licence: str
    attribution: str
    source: str

    @property
    def channel_axis(self) -> int | None:
        """Axis of `image` that holds the channels, or None."""
        return self.axes.index("C") if "C" in self.axes else None


def list_samples() -> tuple[str, ...]:
    """Return the keys of the sample pictures.

    Returns
    -------
    keys : tuple of str
        In the order in which they are shown.

    Examples
    --------
    >>> list_samples()[0]
    'nuclei_fluorescence'
    """
    return tuple(_index())


def load_sample(key: str) -> Sample:
    """Read a sample picture.

    Parameters
    ----------
    key : str
        One of `list_samples`.

    Returns
    -------
    sample : Sample
        The picture with its labels and what is known of them.

    Raises
    ------
    ValueError
        If there is no sample of that name.

    Examples
    --------
    >>> sample = load_sample("histology_rgb")
    >>> sample.image.shape, sample.channel_axis
    ((256, 320, 3), 2)
    """
    try:
        entry = _index()[key]
    except KeyError:
        raise ValueError(
            f"key={key!r}: there is no such sample; choose one of "
            f"{', '.join(list_samples())}."
        ) from None
    labels_file = entry["labels_file"]
    spacing = entry.get("spacing")
    return Sample(
        key=key,
        title=entry["title"],
        image=_read(entry["file"]),
        labels=None if labels_file is None else _read(labels_file),
        axes=entry["axes"],
        spacing=None if spacing is None else tuple(spacing),
        unit=entry.get("unit"),
        zero_means=entry["zero_means"],
        licence=entry["licence"],
        attribution=entry["attribution"],
        source=entry["source"],
    )


@cache
def _index() -> dict[str, dict[str, Any]]:
    text = (_FOLDER / "index.json").read_text(encoding="utf-8")
    return {entry["key"]: entry for entry in json.loads(text)}


def _read(name: str) -> NDArray[Any]:
    path = _FOLDER / name
    if path.suffix == ".tif":
        import tifffile

        return tifffile.imread(path)
    import imageio.v3 as imageio

    return imageio.imread(path)
