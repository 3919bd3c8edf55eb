"""What a model file says of itself, read without loading PyTorch.

A model file is a safetensors file; its metadata has one entry of ours, in JSON.
Nothing in a file is trusted.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

from napari_paf.affinity.model_names import SUFFIX

if TYPE_CHECKING:
    from pathlib import Path

FORMAT_VERSION = 1
KEY = "napari_paf"  # the entry of the file's metadata that is ours
LARGEST_HEADER = 1 << 20  # bytes; ours take a few thousand


class Unreadable(Exception):
    """Why a file cannot be used, as a sentence."""


def read_header(path: Path) -> dict[str, Any]:
    """Return the JSON header of a safetensors file: its tensors and its metadata.

    Raises
    ------
    Unreadable
        If the file is missing or is no whole safetensors file.
    """
    try:
        if path.is_dir():
            raise Unreadable(f"this is a folder; give a {SUFFIX} file.")
        if not path.is_file():
            raise Unreadable("there is no such file.")
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8 + LARGEST_HEADER)
    except OSError as error:
        raise Unreadable(f"it cannot be read ({error.strerror}).") from None
    return _parse(start, size)


def take_metadata(header: dict[str, Any]) -> dict[str, Any]:
    """Take our entry out of a header, so that only tensors are left, and return it.

    Raises
    ------
    Unreadable
        If the file is none of ours, or of another version.
    """
    try:
        metadata = json.loads(header.pop("__metadata__")[KEY])
    except (KeyError, TypeError, ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise Unreadable(
            "it says nothing about its network, so it is not a napari-paf model."
        )
    version = field(metadata, "format_version", int)
    if version != FORMAT_VERSION:
        raise Unreadable(
            f"it has format version {version}, this program reads version "
            f"{FORMAT_VERSION}; update napari-paf, or export the model again."
        )
    return metadata


def field(metadata: dict[str, Any], key: str, kind: type, default: Any = None) -> Any:
    """Return what the metadata says under a key, or raise if it is not of a kind."""
    value = metadata.get(key, default)
    if type(value) is not kind:
        raise Unreadable(f"its metadata has no valid {key!r}.")
    return value


def _parse(start: bytes, size: int) -> dict[str, Any]:
    if len(start) < 9 or start[8:9] != b"{":
        raise Unreadable("this is not a safetensors file.")
    (length,) = struct.unpack("<Q", start[:8])
    if length > LARGEST_HEADER:
        raise Unreadable(
            f"its header claims {length} bytes, more than the {LARGEST_HEADER} that "
            "a model file may have."
        )
    if 8 + length > size:
        raise Unreadable("it is cut off; get the file again.")
    try:
        header = json.loads(start[8 : 8 + length])
    except (ValueError, RecursionError):
        raise Unreadable("its header is not valid JSON.") from None
    if not isinstance(header, dict):
        raise Unreadable("its header is not a JSON object.")
    end = 0
    for entry in header.values():
        stop = entry.get("data_offsets", (0, 0)) if isinstance(entry, dict) else None
        if not (
            isinstance(stop, list | tuple)
            and len(stop) == 2
            and all(type(number) is int for number in stop)
        ):
            raise Unreadable("its header describes a tensor wrongly.")
        end = max(end, stop[1])
    if 8 + length + end > size:
        raise Unreadable("it is cut off; get the file again.")
    return header
