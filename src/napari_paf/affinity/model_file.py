"""Model files: a safetensors file whose metadata says what the network is.

Nothing in a file is trusted. The header is read and checked before any tensor
is, the network it describes is built without memory first, and only tensors
with exactly the expected names, shapes and types are loaded. Whatever is wrong
with a file is said in one sentence.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from napari_paf._files import replacing
from napari_paf.affinity.model_store import SUFFIX

if TYPE_CHECKING:
    import os

    from torch import Tensor, nn

FORMAT_VERSION = 1
KEY = "napari_paf"  # the entry of the file's metadata that is ours
LARGEST_HEADER = 1 << 20  # bytes; ours take a few thousand


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
    ValueError
        If the name does not end in ``.safetensors``.
    """
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
    # One entry: safetensors writes several in an order that changes every time.
    content = save(state, {KEY: json.dumps(metadata)})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


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
    except _Unreadable as error:
        raise ValueError(f"model file {str(path)!r}: {error}") from None


class _Unreadable(Exception):
    """Why a file cannot be used, as a sentence."""


def _read(path: Path) -> tuple[nn.Module, Any, dict[str, Any]]:
    if path.is_dir():
        raise _Unreadable(f"this is a folder; give a {SUFFIX} file.")
    if not path.is_file():
        raise _Unreadable("there is no such file.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = _read_header(file.read(8 + LARGEST_HEADER), size)
            metadata = _metadata(header)
            network, config = _empty_network(metadata)
            expected = network.state_dict()
            _check_tensors(header, expected)
            file.seek(0)
            state = load(file.read())
    except OSError as error:
        raise _Unreadable(f"it cannot be read ({error.strerror}).") from None
    except SafetensorError:
        raise _Unreadable("its tensors are damaged; get the file again.") from None
    for key, value in state.items():
        if not torch.isfinite(value).all():
            raise _Unreadable(f"tensor {key!r} holds values that are not finite.")
    # Without this, the network would keep the parameters that have no memory.
    network.load_state_dict(state, strict=True, assign=True)
    card = {
        "summary": _field(metadata, "summary", dict, {}),
        "licence": _field(metadata, "licence", str, ""),
        "name": _field(metadata, "name", str, path.stem),
    }
    return network.eval(), config, card


def _read_header(start: bytes, size: int) -> dict[str, Any]:
    """Return the JSON header of a safetensors file, given how the file starts."""
    if len(start) < 9 or start[8:9] != b"{":
        raise _Unreadable("this is not a safetensors file.")
    (length,) = struct.unpack("<Q", start[:8])
    if length > LARGEST_HEADER:
        raise _Unreadable(
            f"its header claims {length} bytes, more than the {LARGEST_HEADER} that "
            "a model file may have."
        )
    if 8 + length > size:
        raise _Unreadable("it is cut off; get the file again.")
    try:
        header = json.loads(start[8 : 8 + length])
    except (ValueError, RecursionError):
        raise _Unreadable("its header is not valid JSON.") from None
    if not isinstance(header, dict):
        raise _Unreadable("its header is not a JSON object.")
    end = 0
    for entry in header.values():
        stop = entry.get("data_offsets", (0, 0)) if isinstance(entry, dict) else None
        if not (
            isinstance(stop, list | tuple)
            and len(stop) == 2
            and all(type(number) is int for number in stop)
        ):
            raise _Unreadable("its header describes a tensor wrongly.")
        end = max(end, stop[1])
    if 8 + length + end > size:
        raise _Unreadable("it is cut off; get the file again.")
    return header


def _metadata(header: dict[str, Any]) -> dict[str, Any]:
    try:
        metadata = json.loads(header.pop("__metadata__")[KEY])
    except (KeyError, TypeError, ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise _Unreadable(
            "it says nothing about its network, so it is not a napari-paf model."
        )
    version = _field(metadata, "format_version", int)
    if version != FORMAT_VERSION:
        raise _Unreadable(
            f"it has format version {version}, this program reads version "
            f"{FORMAT_VERSION}; update napari-paf, or export the model again."
        )
    return metadata


def _field(metadata: dict[str, Any], key: str, kind: type, default: Any = None) -> Any:
    value = metadata.get(key, default)
    if type(value) is not kind:
        raise _Unreadable(f"its metadata has no valid {key!r}.")
    return value


def _empty_network(metadata: dict[str, Any]) -> tuple[nn.Module, Any]:
    """Return the network the metadata describes, its parameters without memory."""
    values = _field(metadata, "config", dict)
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
        raise _Unreadable(
            f"its architecture is {architecture!r}, this program knows 'unet' and "
            "'pixel_affinity_net'."
        )
    try:
        config = config_class(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        )
        with torch.device("meta"):
            network = network_class(config)
    except (TypeError, ValueError) as error:
        raise _Unreadable(f"its config makes no network ({error})") from None
    offsets = _field(metadata, "offsets", list)
    if offsets != json.loads(json.dumps(network.offsets)):
        raise _Unreadable(
            f"its offsets {offsets} are not the ones of its network, {network.offsets}."
        )
    return network, config


def _check_tensors(header: dict[str, Any], expected: dict[str, Tensor]) -> None:
    missing, extra = expected.keys() - header.keys(), header.keys() - expected.keys()
    if missing:
        raise _Unreadable(
            f"{len(missing)} tensors of its network are missing, {min(missing)!r} for "
            "one."
        )
    if extra:
        raise _Unreadable(
            f"{len(extra)} tensors do not belong to its network, {min(extra)!r} for "
            "one."
        )
    names = {torch.float32: "F32", torch.int64: "I64"}
    for key, tensor in expected.items():
        found = header[key].get("dtype"), header[key].get("shape")
        if found != (names[tensor.dtype], list(tensor.shape)):
            raise _Unreadable(
                f"tensor {key!r} is {found[0]} of shape {found[1]}, its network needs "
                f"{names[tensor.dtype]} of shape {list(tensor.shape)}."
            )
