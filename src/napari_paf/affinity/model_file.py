"""Model files: a safetensors file whose metadata says what the network is.

Nothing in a file is trusted. The header is read and checked before any tensor
is, the network it describes is built without memory first, and only tensors
with exactly the expected names, shapes and types are loaded. Whatever is wrong
with a file is said in one sentence.
"""

from __future__ import annotations

import dataclasses
import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from napari_paf._files import replacing
from napari_paf.affinity.model_header import (
    FORMAT_VERSION,
    KEY,
    LARGEST_HEADER,
    Unreadable,
    field,
    read_header,
    take_metadata,
)
from napari_paf.affinity.model_names import SUFFIX

if TYPE_CHECKING:
    from torch import Tensor, nn

TYPES = {torch.float32: "F32", torch.int64: "I64"}
"""Of the tensors in a file, as safetensors calls them."""


def write_model_file(
    path: str | os.PathLike[str],
    network: nn.Module,
    config: Any,
    card: dict[str, Any],
) -> None:
    """Write a network and its card; an existing file stays whole until the end.

    Parameters
    ----------
    path : path-like
        Must end in ``.safetensors``.
    network : torch.nn.Module
        Its `offsets` and its state are stored.
    config : dataclass instance
        With a field `architecture`.
    card : dict
        `summary`, `licence` and `name`; anything JSON can hold.

    Raises
    ------
    TypeError, ValueError
        If the name does not end in ``.safetensors``, or what is to be written could
        not be read again.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={path!r}: give the name of a {SUFFIX} file.")
    path = Path(path)
    if path.suffix != SUFFIX:
        raise ValueError(f"path={str(path)!r}: choose a name that ends in {SUFFIX}.")
    metadata = {
        "format_version": FORMAT_VERSION,
        "config": dataclasses.asdict(config),
        "offsets": network.offsets,
        **card,
    }
    state = {
        key: value.detach().cpu().contiguous()
        for key, value in network.state_dict().items()
    }
    _check_card(card)
    for key, value in state.items():
        if value.dtype not in TYPES:
            raise TypeError(
                f"network: {key!r} holds {value.dtype}; make it 32-bit, with "
                "network.float()."
            )
    try:
        text = json.dumps(metadata)
    except (TypeError, ValueError) as error:
        raise TypeError(f"summary: give what JSON can hold ({error}).") from None
    # One entry: safetensors writes several in an order that changes every time.
    content = save(state, {KEY: text})
    (length,) = struct.unpack("<Q", content[:8])
    if length > LARGEST_HEADER:
        raise ValueError(
            f"summary: it takes {len(text)} characters; keep it below "
            f"{LARGEST_HEADER // 2}."
        )
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _check_card(card: dict[str, Any]) -> None:
    """Raise unless a card can be read again."""
    for key, kind in (("summary", dict), ("licence", str), ("name", str)):
        if key in card and type(card[key]) is not kind:
            raise TypeError(f"{key}={card[key]!r}: give a {kind.__name__}.")


def read_model_file(
    path: str | os.PathLike[str],
) -> tuple[nn.Module, Any, dict[str, Any]]:
    """Return the network, its config and the card stored in a model file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    network : torch.nn.Module
        On the CPU, in evaluation mode.
    config : dataclass instance
    card : dict
        `summary`, `licence` and `name`.

    Raises
    ------
    ValueError
        If the file is missing, broken, or made for another version; the message
        says which.
    """
    path = Path(path)
    try:
        return _read(path)
    except Unreadable as error:
        raise ValueError(f"model file {str(path)!r}: {error}") from None


def _read(path: Path) -> tuple[nn.Module, Any, dict[str, Any]]:
    header = read_header(path)
    metadata = take_metadata(header)
    network, config = _empty_network(metadata)
    _check_tensors(header, network.state_dict())
    try:
        state = load(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"it cannot be read ({error.strerror}).") from None
    except SafetensorError:
        raise Unreadable("its tensors are damaged; get the file again.") from None
    for key, value in state.items():
        # Not by PyTorch: waking its threads takes longer than all the looking.
        values = value.numpy()
        if not np.isfinite(values).all():
            raise Unreadable(f"tensor {key!r} holds values that are not finite.")
        if key.endswith("running_var") and (values < 0).any():
            raise Unreadable(f"tensor {key!r} holds variances below 0.")
    # Without this, the network would keep the parameters that have no memory.
    network.load_state_dict(state, strict=True, assign=True)
    card = {
        "summary": field(metadata, "summary", dict, {}),
        "licence": field(metadata, "licence", str, ""),
        "name": field(metadata, "name", str, path.stem),
    }
    return network.eval(), config, card


def _empty_network(metadata: dict[str, Any]) -> tuple[nn.Module, Any]:
    """Return the network the metadata describes, its parameters without memory."""
    values = field(metadata, "config", dict)
    architecture = values.get("architecture")
    network_class: Any
    config_class: Any
    if architecture == "unet":
        from napari_paf.affinity.unet import AffinityUNet, UNetConfig

        network_class, config_class = AffinityUNet, UNetConfig
    elif architecture == "pixel_affinity_net":
        from napari_paf.affinity.pixel_affinity_net import (
            PixelAffinityNet,
            PixelAffinityNetConfig,
        )

        network_class, config_class = PixelAffinityNet, PixelAffinityNetConfig
    else:
        raise Unreadable(
            f"its architecture is {architecture!r}, this program knows 'unet' and "
            "'pixel_affinity_net'."
        )
    unknown = values.keys() - {known.name for known in dataclasses.fields(config_class)}
    if unknown:
        raise Unreadable(
            f"its config has {min(unknown)!r}, which this program does not know; "
            "update napari-paf."
        )
    try:
        config = config_class(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        )
        with torch.device("meta"):
            network = network_class(config)
    except (TypeError, ValueError) as error:
        raise Unreadable(f"its config makes no network ({error})") from None
    offsets = field(metadata, "offsets", list)
    if offsets != json.loads(json.dumps(network.offsets)):
        raise Unreadable(
            f"its offsets {offsets} are not the ones of its network, {network.offsets}."
        )
    return network, config


def _check_tensors(header: dict[str, Any], expected: dict[str, Tensor]) -> None:
    missing, extra = expected.keys() - header.keys(), header.keys() - expected.keys()
    if missing:
        raise Unreadable(
            f"{len(missing)} tensors of its network are missing, {min(missing)!r} for "
            "one."
        )
    if extra:
        raise Unreadable(
            f"{len(extra)} tensors do not belong to its network, {min(extra)!r} for "
            "one."
        )
    for key, tensor in expected.items():
        found = header[key].get("dtype"), header[key].get("shape")
        if found != (TYPES[tensor.dtype], list(tensor.shape)):
            raise Unreadable(
                f"tensor {key!r} is {found[0]} of shape {found[1]}, its network needs "
                f"{TYPES[tensor.dtype]} of shape {list(tensor.shape)}."
            )
