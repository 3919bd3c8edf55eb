"""The lines of Python that train as the widget does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_paf.widgets.train.read import MOST_PLANES, Source

if TYPE_CHECKING:
    from napari_paf.widgets.train.request import TrainRequest

_PLANES = f'''
def planes(image, labels):
    """The labelled planes; the widget takes {MOST_PLANES} of a stack at most."""
    where = [at for at in np.ndindex(labels.shape[:-2]) if labels[at].any()]
    return [(image[at], labels[at]) for at in where]

'''


def as_python(request: TrainRequest, layers: Sequence[tuple[str, str]]) -> str:
    """Return a script, for napari's console, that trains as a request says.

    Parameters
    ----------
    request : TrainRequest
    layers : sequence of (str, str)
        How to get at the arrays of each pair's image and labels.

    Returns
    -------
    code : str
        It keeps the model under its name.
    """
    stacks = any(source.labels.ndim > 2 for source in request.sources)
    colours = any(source.rgb for source in request.sources)
    lines = ["import numpy as np"] if stacks or colours else []
    lines += [
        "import napari_paf",
        "from napari_paf.affinity.model_store import save_user_model",
    ]
    if stacks:
        lines += _PLANES.split("\n")
    lines += ["", "pairs = ["]
    for source, (image, labels) in zip(request.sources, layers, strict=True):
        lines.append(f"    {_pair(source, image, labels, colours)},")
    lines.append("]")
    if len({source.spacing for source in request.sources}) > 1:
        lines.append("# Pixels have a size of their own in each image: give layers.")
    options = {
        "init": _init(request.init),
        "channel_axis": 0 if colours else None,
        "unlabelled": request.unlabelled,
        "spacing": _spacing(request),
        **_length(request),
        "batch": request.batch,
        "size": request.size,
        "loss": request.loss,
        "seed": request.seed,
        "device": request.device,
    }
    lines += ["for event in napari_paf.train_affinity(", "    pairs,"]
    lines += [
        f"    {name}={value!r},"
        for name, value in options.items()
        if not (name == "spacing" and value is None)
    ]
    lines += ["):", "    print(event.step, event.loss, event.validation)"]
    lines.append(f"save_user_model(event.model, {request.name!r})")
    return "\n".join(lines) + "\n"


def _pair(source: Source, image: str, labels: str, colours: bool) -> str:
    if source.labels.ndim == 2:
        return f"({_channels(image, source, colours)}, {labels})"
    planes = f"planes({image}, {labels})"
    if not colours:
        return f"*{planes}"
    plane = _channels("image", source, colours)
    return f"*[({plane}, labels) for image, labels in {planes}]"


def _channels(pixels: str, source: Source, colours: bool) -> str:
    if source.rgb:
        return f"np.moveaxis({pixels}[..., :3], -1, 0)"
    return f"{pixels}[None]" if colours else pixels


def _init(init: Any) -> str | None:
    if init is None:
        return None
    return getattr(init, "name", None) or str(init)


def _spacing(request: TrainRequest) -> tuple[float, float] | None:
    """Return the size of a pixel in all images, if it is no square."""
    row, column = request.sources[0].spacing
    return None if row == column else (row, column)


def _length(request: TrainRequest) -> dict[str, Any]:
    if request.unit == "epochs":
        # As if a fifth was held out, which is so unless there are few labels.
        n_pixels = sum(source.n_pixels for source in request.sources) * 4 // 5
    else:
        n_pixels = 0
    return request.length(n_pixels)
