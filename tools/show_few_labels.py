"""Show what two minutes of training on three labelled crops are worth.

Usage::

    python tools/show_few_labels.py MICROSCOPY_DIR MODEL OUTPUT_DIR \\
        --kinds histology_rgb_dsb2018 em_sem_axons_ads

MODEL must not have seen the kinds (``train_default.py --without``). Of every kind,
three crops of 256 x 256 pixels with their labels go into the training, all from images
that are not measured. Writes the table ``few_labels.csv``, prints it, and draws a
picture of each kind.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from compare_on_microscopy import HAND_MADE, PIXELS_PER_SEGMENT, planes_of_kind
from skimage.segmentation import find_boundaries, mark_boundaries
from training_data import KINDS, is_held_out

from napari_paf import load_model, superpixels, train_affinity
from napari_paf.affinity.normalize import scale_to_unit
from napari_paf.evaluation import compare, summarize, write_csv

if TYPE_CHECKING:
    from napari_paf.affinity.model import AffinityModel

N_CROPS = 3
SIDE = 256
SHOWN = 200  # pixels


def main() -> None:
    """Train, measure, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("microscopy", type=Path)
    parser.add_argument("model", help="a model that has not seen the kinds")
    parser.add_argument("output", type=Path)
    parser.add_argument("--kinds", nargs="+", required=True, choices=KINDS)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--most", type=int, default=6, help="images to measure on")
    options = parser.parse_args()

    options.output.mkdir(parents=True, exist_ok=True)
    table: list[dict[str, Any]] = []
    for kind in options.kinds:
        pairs = crops_of_kind(options.microscopy / kind)
        before = load_model(options.model)
        *_, last = train_affinity(
            pairs,
            init=before,
            channel_axis=-1 if pairs[0][0].ndim == 3 else None,
            seconds=options.seconds,
            name=f"{kind}-trained",
        )
        trained = last.model
        assert trained is not None
        path = options.output / f"{trained.name}.safetensors"
        trained.save(path)
        planes = planes_of_kind(
            options.microscopy / kind, everything=False, most=options.most
        )
        methods = (options.model, str(path), *HAND_MADE)
        for pixels in PIXELS_PER_SEGMENT:
            rows = list(compare(planes, methods, pixels_per_segment=pixels))
            for row in rows:  # images differ in size, so in the number asked for
                row["n_asked"] = pixels
            for mean in summarize(rows):
                name = {options.model: "before", str(path): "trained"}
                mean["method"] = name.get(mean["method"], mean["method"])
                table.append({"kind": kind, "pixels": pixels, **mean})
        write_csv(table, options.output / "few_labels.csv")
        draw(planes[0].image, planes[0].labels, before, trained, options.output / kind)
    print("| kind | pixels a superpixel | method | ASA | achievable IoU |")
    print("| --- | --- | --- | --- | --- |")
    for row in table:
        print(
            f"| {row['kind']} | {row['pixels']} | {row['method']} "
            f"| {row['achievable_segmentation_accuracy']:.4f} "
            f"| {row['achievable_iou']:.4f} |"
        )


def crops_of_kind(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return crops from three images to learn from, where most boundaries are."""
    paths = sorted(folder.glob("*.npz"))
    learning = [path for i, path in enumerate(paths) if not is_held_out(i)]
    chosen = learning[:: max(1, len(learning) // N_CROPS)][:N_CROPS]
    pairs = []
    for path in chosen:
        data = np.load(path)
        image, labels = data["image"], data["labels"]
        edges = find_boundaries(labels)
        corners = [
            (y, x)
            for y in range(0, max(1, labels.shape[0] - SIDE + 1), 32)
            for x in range(0, max(1, labels.shape[1] - SIDE + 1), 32)
        ]
        y, x = max(corners, key=lambda c: edges[_window(*c, SIDE)].sum())
        pairs.append((image[_window(y, x, SIDE)], labels[_window(y, x, SIDE)]))
    return pairs


def draw(
    image: np.ndarray,
    labels: np.ndarray,
    before: AffinityModel,
    trained: AffinityModel,
    path: Path,
) -> None:
    """Draw the superpixels before and after beside the ground truth."""
    shape = labels.shape
    y, x = max(
        (
            (y, x)
            for y in range(0, max(1, shape[0] - SHOWN), 40)
            for x in range(0, max(1, shape[1] - SHOWN), 40)
        ),
        key=lambda c: find_boundaries(labels[_window(*c, SHOWN)]).sum(),
    )
    window = _window(y, x, SHOWN)
    channel_axis = -1 if image.ndim == 3 else None
    n = labels.size // PIXELS_PER_SEGMENT[0]
    panels = {"ground truth": labels}
    for name, model in {"before": before, "after training": trained}.items():
        panels[name] = superpixels(image, n, model=model, channel_axis=channel_axis)
    figure, axes = plt.subplots(1, len(panels), figsize=(12, 4.3), layout="tight")
    for axis, (name, found) in zip(axes, panels.items(), strict=True):
        shown = scale_to_unit(image)[window].astype(float)
        axis.imshow(mark_boundaries(shown, found[window].astype(int), (1, 0.8, 0)))
        axis.set_title(name)
        axis.set_axis_off()
    figure.savefig(path.with_suffix(".png"), dpi=80)
    plt.close(figure)


def _window(y: int, x: int, side: int) -> tuple[slice, slice]:
    return slice(y, y + side), slice(x, x + side)


if __name__ == "__main__":
    main()
