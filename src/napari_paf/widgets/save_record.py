"""Save what a run noted about itself: napari's Save Selected Layers, as .json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info

from napari_paf._files import replacing
from napari_paf.widgets.common.records import KEY
from napari_paf.widgets.superpixels.texts import NO_IMAGE_FILE, NOT_RECORDED


def save_record(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write the record of a layer of superpixels, for ``napari-paf replay``.

    Says so if that will not find the image by itself.

    Parameters
    ----------
    path : str
        Of the JSON file.
    data : array-like
        The labels; they are not written.
    meta : dict
        What napari passes on of the layer.

    Returns
    -------
    paths : list of str
        What was written.

    Raises
    ------
    ValueError
        If the layer is none that the Superpixels widget made.
    """
    record = meta.get("metadata", {}).get(KEY)
    if not isinstance(record, dict):
        raise ValueError(NOT_RECORDED)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if "image_path" in record and not _is_file(record["image_path"]):
        show_info(NO_IMAGE_FILE)
    return [path]


def _is_file(path: Any) -> bool:
    """Whether a path is one of a file: not of a folder, such as zarr's, nor a URL."""
    return isinstance(path, str) and Path(path).is_file()
