"""Reading the weights published with the Pixel Affinity Net, running no code of theirs.

The file is a pickle, which can run anything when it is loaded. PyTorch's
restricted reader builds tensors only and refuses all else; and no more is
accepted than the one layout those weights have.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_paf.affinity.model import AffinityModel
from napari_paf.affinity.pixel_affinity_net import PixelAffinityNet

LICENCE = (
    "CC BY-NC-SA 4.0 (NVIDIA Corporation, 2018): for non-commercial use, name the "
    "authors, share changes alike."
)
LARGEST_FILE = 1 << 24  # bytes; the published file takes 3.6 million
# Protocol 2, then the number that PyTorch before 1.6 begins its files with.
MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
COUNTER = ".num_batches_tracked"  # PyTorch of 2018 did not store it; not used


def import_seal_checkpoint(path: str | os.PathLike[str]) -> AffinityModel:
    """Read the official weights of the CVPR 2018 network.

    The weights are not part of this package: get the file from the authors.
    They are under CC BY-NC-SA 4.0 (NVIDIA, 2018), so not for commercial use;
    the model's `licence` says so, also in files saved from it. Nothing in
    the file is executed. Using the model needs OpenCV
    (``pip install napari-paf[seal]``).

    Parameters
    ----------
    path : path-like
        The published checkpoint, a ``.pkl`` file.

    Returns
    -------
    model : AffinityModel
        On the CPU, in evaluation mode; for 2-D colour or grey images, with
        affinities to the neighbours along x and y.

    Raises
    ------
    TypeError
        If `path` is neither text nor a path.
    ValueError
        If the file is missing, damaged, or anything but these weights.

    References
    ----------
    .. [1] W.-C. Tu et al., "Learning Superpixels with Segmentation-Aware
       Affinity Loss", CVPR 2018, figure 3.

    Examples
    --------
    >>> from napari_paf import import_seal_checkpoint
    >>> model = import_seal_checkpoint("bsds500.pkl")  # doctest: +SKIP
    >>> model.offsets  # doctest: +SKIP
    ((0, 1), (1, 0))
    >>> model.save("seal.safetensors")  # doctest: +SKIP
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={path!r}: give the path of the published .pkl file.")
    path = Path(path)
    try:
        network = _network(_read(path))
    except _Unreadable as error:
        raise ValueError(f"checkpoint {str(path)!r}: {error}") from None
    return AffinityModel(
        network=network,
        config=network.config,
        offsets=network.offsets,
        summary={"source": "official weights of SEAL (CVPR 2018), trained by NVIDIA"},
        licence=LICENCE,
        name=path.stem,
    )


class _Unreadable(Exception):
    """Why a file cannot be used, as a sentence."""


def _read(path: Path) -> Any:
    try:
        if path.is_dir():
            raise _Unreadable("this is a folder; give the .pkl file.")
        if not path.is_file():
            raise _Unreadable("there is no such file.")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise _Unreadable(f"it cannot be read ({error.strerror}).") from None
    if not content.startswith(MAGIC) or len(content) > LARGEST_FILE:
        raise _Unreadable("this is not the published checkpoint of the 2018 network.")
    try:
        # From memory, never from the file: given a file, PyTorch before 2.6 also
        # tries to read it as an archive, and that way is not restricted.
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # a damaged pickle can fail in any way
        raise _Unreadable(
            "it is damaged, or holds more than weights, and was not loaded; get the "
            "published file again."
        ) from None


def _network(state: Any) -> PixelAffinityNet:
    """Return the network with the weights in it, if they are exactly its weights."""
    network = PixelAffinityNet()
    expected = {
        key: value
        for key, value in network.state_dict().items()
        if not key.endswith(COUNTER)
    }
    if not isinstance(state, dict) or state.keys() != expected.keys():
        raise _Unreadable("its tensors are not those of the 2018 network.")
    for key, tensor in expected.items():
        value = state[key]
        if not isinstance(value, Tensor) or value.layout != torch.strided:
            raise _Unreadable(f"its entry {key!r} is not a tensor.")
        if value.dtype != tensor.dtype or value.shape != tensor.shape:
            raise _Unreadable(
                f"its tensor {key!r} is {value.dtype} of shape {tuple(value.shape)}, "
                f"the network needs {tensor.dtype} of shape {tuple(tensor.shape)}."
            )
        if not torch.isfinite(value).all():
            raise _Unreadable(f"its tensor {key!r} holds values that are not finite.")
        if key.endswith("running_var") and bool((value < 0).any()):
            raise _Unreadable(f"its tensor {key!r} holds negative variances.")
    # Copies into memory of the network's own; only the counters are missing.
    network.load_state_dict(state, strict=False)
    return network.eval()
