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
    spacings = {source.spacing for source in request.sources}
    mixed, square = len(spacings) > 1, spacings == {(1.0, 1.0)}
    lines = ["import numpy as np"] if stacks or colours else []
    lines += [
        "import napari_paf",
        "from napari_paf.affinity.model_store import save_user_model",
    ]
    if mixed:
        lines.append("from napari_paf.training.pairs import as_samples")
    if stacks:
        lines += _PLANES.split("\n")
    lines += ["", "pairs = ["]
    axis = 0 if colours else None
    for source, (image, labels) in zip(request.sources, layers, strict=True):
        pair = _pair(source, image, labels, colours)
        if mixed:
            given = f"{axis}, {request.unlabelled}, {source.spacing}"
            pair = f"*as_samples([{pair}], 'pairs', {given})"
        lines.append(f"    {pair},")
    lines.append("]")
    options = {
        "init": _init(request.init),
        "channel_axis": axis,
        "unlabelled": request.unlabelled,
        **({} if mixed or square else {"spacing": request.sources[0].spacing}),
        **_length(request),
        "batch": request.batch,
        "size": request.size,
        "loss": request.loss,
        "seed": request.seed,
        "device": request.device,
    }
    lines += ["for event in napari_paf.train_affinity(", "    pairs,"]
    lines += [f"    {name}={value!r}," for name, value in options.items()]
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


def _length(request: TrainRequest) -> dict[str, Any]:
    if request.unit == "epochs":
        # As if a fifth was held out, which is so unless there are few labels.
        n_pixels = sum(source.n_pixels for source in request.sources) * 4 // 5
    else:
        n_pixels = 0
    return request.length(n_pixels)
