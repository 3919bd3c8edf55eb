"""Choose how logits become affinities in the default model, and write its file.

Usage::

    python tools/tune_default.py MODEL BSDS500_DIR MICROSCOPY_DIR OUTPUT

Tries temperatures, shifts, contrasts, regularities, balances and doubts. Measures every
fifth image of BSDS500 val, all annotators, at 100, 300 and 600 superpixels, and up to
four held-out images of every kind of microscopy at 300 and 100 pixels a superpixel.
Writes the best by mean achievable segmentation accuracy and a tenth of boundary recall
(half photographs, half kinds), with its figures on its card.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from training_data import KINDS, read_kind, read_photographs

from napari_paf import load_model
from napari_paf._offsets import neighbour_offsets
from napari_paf.affinity.balance import balance_of
from napari_paf.affinity.regularity import regularize
from napari_paf.clustering.entropy_rate import entropy_rate_superpixels
from napari_paf.metrics import (
    achievable_iou,
    achievable_segmentation_accuracy,
    boundary_precision,
    boundary_recall,
)
from napari_paf.training.sampling import Sample, decode

if TYPE_CHECKING:
    from napari_paf.affinity.unet import AffinityUNet, UNetConfig

TUNED = ("temperature", "shift", "contrast", "regularity", "balance", "doubt")
COUNTS = (100, 300, 600)
RECALL_COUNTS = 0.1  # beside segmentation accuracy
PIXELS_PER_SUPERPIXEL = (300, 100)
LICENCE = (
    "BSD-3-Clause, as the package. The weights were trained on BSDS500 (Arbelaez, "
    "Maire, Fowlkes, Malik, IEEE TPAMI 33(5):898-916, 2011; research data without a "
    "redistribution licence; none of it is contained here) and on microscopy "
    "published under CC0, MIT, BSD-3-Clause and CC BY: 2018 Data Science Bowl "
    "(Caicedo et al. 2019), Usiigaci (Tsai et al. 2019), AxonDeepSeg TEM and SEM "
    "(Zaimi et al. 2018; Collin et al. 2025), FlyEM medulla FIB-SEM sample (FlyEM "
    "team, HHMI Janelia; Parag et al. 2015), PlantSeg (Wolny et al. 2020), QCANet "
    "(Tokuoka et al. 2020), StarDist (Weigert et al. 2020)."
)


def main() -> None:
    """Measure, choose, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("bsds500", type=Path)
    parser.add_argument("microscopy", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[1.1])
    parser.add_argument("--shifts", type=float, nargs="+", default=[-3.7])
    parser.add_argument("--contrasts", type=float, nargs="+", default=[5.0, 6.5, 7.5])
    parser.add_argument("--regularities", type=float, nargs="+", default=[0.004])
    parser.add_argument("--balances", type=float, nargs="+", default=[0.3])
    parser.add_argument("--doubts", type=float, nargs="+", default=[0.3, 0.32])
    options = parser.parse_args()

    model = load_model(options.model)
    groups = {"photographs": read_photographs(options.bsds500, "val")[::5]}
    for kind in KINDS:
        held_out = read_kind(options.microscopy / kind, held_out=True)[:4]
        groups[kind] = [sample.part(slice(512), slice(512)) for sample in held_out]
    images = {
        kind: [predict(model.network, sample) for sample in group]
        for kind, group in groups.items()
    }
    best, chosen, figures = 0.0, model.config, {}
    for values in itertools.product(
        options.temperatures,
        options.shifts,
        options.contrasts,
        options.regularities,
        options.balances,
        options.doubts,
    ):
        tried = dict(zip(TUNED, values, strict=True))
        config = dataclasses.replace(model.config, **tried)
        table = {kind: measure(groups[kind], images[kind], config) for kind in groups}
        print(*(f"{name}={value}" for name, value in tried.items()))
        print(*(f"  {kind}: {rows}" for kind, rows in table.items()), sep="\n")
        photographs = score(table["photographs"].values())
        microscopy = score(row for kind in KINDS for row in table[kind].values())
        print(f"  {photographs:.4f} {microscopy:.4f}", flush=True)
        if photographs + microscopy > best:
            best, chosen, figures = photographs + microscopy, config, table

    model.config = model.network.config = chosen
    model.name, model.licence = "default", LICENCE
    model.summary |= {
        "trained on": "BSDS500 train (200 photographs, all annotators, 55 % of the "
        "crops) and 10 kinds of microscopy (45 %)",
        "image": "2-D, grey or RGB, any dtype; any pixel size, with structures of "
        "about 5 to 100 pixels",
        "validation": figures,
        "validation on": "every fifth image of BSDS500 val at 100, 300, 600 "
        "superpixels; held-out microscopy at 300 and 100 pixels a superpixel",
    }
    model.save(options.output)


def score(rows: Iterable[dict[str, float]]) -> float:
    """Return the mean of what models are chosen by."""
    return float(np.mean([row["ASA"] + RECALL_COUNTS * row["BR"] for row in rows]))


def predict(network: AffinityUNet, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Return the bare logits of an image, and how much its neighbours differ."""
    image = torch.from_numpy(decode(sample.codes)).expand(3, -1, -1)[None]
    config = network.config
    with torch.inference_mode():
        differences = network.differences(image)
        logits = network(image) - config.shift + config.contrast * differences
    return logits[0].numpy(), differences[0].numpy()


def measure(
    samples: list[Sample],
    images: list[tuple[np.ndarray, np.ndarray]],
    config: UNetConfig,
) -> dict[str, dict[str, float]]:
    """Return the mean figures of a group, for every number of superpixels."""
    table: dict[str, list[dict[str, float]]] = {}
    for sample, (logits, differences) in zip(samples, images, strict=True):
        values = logits + config.shift - config.contrast * differences
        with np.errstate(over="ignore"):
            affinity = 1 / (1 + np.exp(-values / config.temperature))
        regularize(affinity, neighbour_offsets(2, 2), config.regularity, (1.0, 1.0))
        balance = balance_of(config, affinity)
        photograph = len(sample.labels) > 1
        pixels = sample.labels[0].size
        counts = {str(n): n for n in COUNTS}
        if not photograph:
            counts = {f"pixels / {p}": pixels // p for p in PIXELS_PER_SUPERPIXEL}
        for name, n in counts.items():
            labels = entropy_rate_superpixels(affinity, n, balance=balance, n_threads=1)
            row = {
                "ASA": achievable_segmentation_accuracy(labels, sample.labels),
                "BR": boundary_recall(labels, sample.labels),
                "BP": boundary_precision(labels, sample.labels),
            }
            if not photograph and sample.labels.any():
                row["IoU"] = achievable_iou(labels, sample.labels)
            table.setdefault(name, []).append(row)
    return {
        name: {
            key: round(float(np.nanmean([row[key] for row in rows if key in row])), 4)
            for key in max(rows, key=len)
        }
        for name, rows in table.items()
    }


if __name__ == "__main__":
    main()
