"""Sample data for File > Open Sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_paf.samples import load_sample

if TYPE_CHECKING:
    from napari.types import LayerDataTuple


def nuclei_fluorescence() -> list[LayerDataTuple]:
    """Nuclei, fluorescence."""
    return _layers("nuclei_fluorescence")


def histology_rgb() -> list[LayerDataTuple]:
    """Stained tissue, RGB."""
    return _layers("histology_rgb")


def em_tem_axons() -> list[LayerDataTuple]:
    """Axons, transmission electron microscopy."""
    return _layers("em_tem_axons")


def em_fibsem_3d() -> list[LayerDataTuple]:
    """Neurites, a stack from focused ion beam electron microscopy."""
    return _layers("em_fibsem_3d")


def phase_contrast_cells() -> list[LayerDataTuple]:
    """Cells, phase contrast, 16 bit."""
    return _layers("phase_contrast_cells")


def natural_chelsea() -> list[LayerDataTuple]:
    """Return a photograph of a cat."""
    return _layers("natural_chelsea")


def _layers(key: str) -> list[LayerDataTuple]:
    """Return the image layer and, hidden below it, what people labelled."""
    sample = load_sample(key)
    spatial = [axis.lower() for axis in sample.axes if axis != "C"]
    options: dict[str, Any] = {
        "axis_labels": spatial,
        "metadata": {
            "licence": sample.licence,
            "attribution": sample.attribution,
            "source": sample.source,
        },
    }
    if sample.spacing is not None:
        options["scale"] = sample.spacing
        options["units"] = [sample.unit] * len(spatial)
    rgb = sample.channel_axis is not None
    image = (sample.image, {**options, "name": key, "rgb": rgb}, "image")
    if sample.labels is None:
        return [image]
    name = f"{key} ground truth"
    return [
        (sample.labels, {**options, "name": name, "visible": False}, "labels"),
        image,
    ]
