"""Train the default affinity network on photographs and microscopy.

Usage::

    python tools/train_default.py BSDS500_DIR MICROSCOPY_DIR OUTPUT_DIR --steps 9000

Writes ``OUTPUT_DIR/weights.safetensors`` (moving average of the weights) every
few minutes and ``OUTPUT_DIR/log.csv``. The same arguments give the same
weights on one CPU thread.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import torch
from safetensors.torch import save_file

from napari_paf.affinity.unet import AffinityUNet, UNetConfig
from napari_paf.training.losses import affinity_loss
from napari_paf.training.sampling import Augmentation, Sample, draw_batch

# Share of crops per kind (photographs take PHOTOGRAPHS), and the weight of pairs
# within label 0, where that hides cytoplasm, membranes or cells left out.
PHOTOGRAPHS = 0.55
KINDS = {
    "nuclei_fluorescence_dsb2018": (1.5, 1.0),
    "brightfield_cytology_dsb2018": (0.7, 0.2),
    "histology_rgb_dsb2018": (1.5, 1.0),
    "phase_contrast_usiigaci": (1.0, 0.5),
    "em_fibsem_3d_flyem": (1.0, 0.2),
    "em_tem_axons_ads": (1.0, 0.2),
    "em_sem_axons_ads": (1.0, 0.2),
    "nuclei_3d_plantseg": (0.5, 1.0),
    "nuclei_3d_qcanet": (0.4, 1.0),
    "nuclei_3d_stardist": (0.4, 1.0),
}


def is_held_out(number: int) -> bool:
    """Tell whether file `number` of a kind, sorted by name, is for validation."""
    return number % 7 == 3


def read_photographs(folder: Path, split: str) -> list[Sample]:
    """Return the BSDS500 images of a split, with all annotators."""
    return [
        Sample(
            np.moveaxis(iio.imread(path), -1, 0),
            np.load(folder / split / "groundtruth" / f"{path.stem}.npz")["segments"],
        )
        for path in sorted((folder / split / "images").glob("*.jpg"))
    ]


def read_kind(folder: Path, background_weight: float) -> list[Sample]:
    """Return the learning part of one kind of microscopy, volumes as planes."""
    samples = []
    paths = sorted(folder.glob("*.npz"))
    for number, path in enumerate(paths):
        if len(paths) > 1 and is_held_out(number):
            continue
        pair = np.load(path)
        image, labels = pair["image"], pair["labels"]
        if image.ndim == 2:
            planes = [(image[None], labels)]
        elif image.shape[-1] == 3:
            planes = [(np.moveaxis(image, -1, 0), labels)]
        else:
            # One volume: its last planes are for validation.
            n = math.floor(0.85 * len(image))
            image, labels = image[:n], labels[:n]
            axes = (0, 1, 2) if "fibsem" in folder.name else (0,)
            planes = [
                (np.take(image, i, axis)[None], np.take(labels, i, axis))
                for axis in axes
                for i in range(0, image.shape[axis], 3 if len(axes) > 1 else 1)
            ]
        samples += [
            Sample(plane, truth[None], background_weight=background_weight)
            for plane, truth in planes
        ]
    return samples


def main() -> None:
    """Train and write checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bsds500", type=Path)
    parser.add_argument("microscopy", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=250)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    network = AffinityUNet(UNetConfig()).train()
    network.to(memory_format=torch.channels_last)  # faster on the CPU
    average = {k: v.clone() for k, v in network.state_dict().items()}

    samples = read_photographs(options.bsds500, "train")
    shares = [np.full(len(samples), PHOTOGRAPHS / len(samples))]
    whole = sum(share for share, _ in KINDS.values())
    for kind, (share, background_weight) in KINDS.items():
        part = read_kind(options.microscopy / kind, background_weight)
        each = (1 - PHOTOGRAPHS) * share / whole / len(part)
        shares.append(np.full(len(part), each))
        samples += part
        print(kind, len(part), flush=True)
    probabilities = np.concatenate(shares)
    probabilities /= probabilities.sum()

    decay = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0}],
        lr=options.learning_rate,
    )
    options.output.mkdir(parents=True, exist_ok=True)
    log = (options.output / "log.csv").open("w")
    log.write("step,seconds,loss\n")
    start, losses = time.perf_counter(), []
    for step in range(1, options.steps + 1):
        warm = min(1.0, step / 300)
        cosine = 0.5 * (1 + math.cos(math.pi * step / options.steps))
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * warm * (0.005 + 0.995 * cosine)
        image, target, weight = draw_batch(
            samples,
            probabilities,
            network.offsets,
            batch=options.batch,
            size=options.size,
            channels=network.config.channels,
            rng=rng,
            augmentation=Augmentation(),
        )
        loss = affinity_loss(network(image), target, weight)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        keep = min(0.999, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in network.state_dict().items():
                if value.is_floating_point():
                    average[name].lerp_(value, 1 - keep)
                else:
                    average[name].copy_(value)
        if step % 50 == 0:
            seconds = time.perf_counter() - start
            log.write(f"{step},{seconds:.1f},{np.mean(losses[-50:]):.5f}\n")
            log.flush()
        if step % options.save_every == 0 or step == options.steps:
            metadata = {"steps": json.dumps(step)}
            temporary = options.output / "weights.tmp"
            tensors = {k: v.contiguous() for k, v in average.items()}
            save_file(tensors, temporary, metadata)
            os.replace(temporary, options.output / "weights.safetensors")


if __name__ == "__main__":
    main()
