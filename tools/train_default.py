"""Train the default affinity network on photographs and microscopy.

Usage::

    python tools/train_default.py BSDS500_DIR MICROSCOPY_DIR OUTPUT_DIR --steps 9000

Writes ``OUTPUT_DIR/default.safetensors`` every few minutes, and step and loss to
``OUTPUT_DIR/log.csv``. The same arguments give the same weights on one CPU thread.
With ``--checkpoint``, a run that was killed goes on. SIGTERM ends a run early, with
what it has learnt. ``tune_default.py`` makes the shipped model file of the result.
"""

from __future__ import annotations

import argparse
import math
import signal
import threading
from pathlib import Path

import imageio.v3 as iio
import numpy as np

from napari_paf.training.sampling import Sample, make_sample
from napari_paf.training.trainer import train_affinity

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
    paths = sorted((folder / split / "images").glob("*.jpg"))
    return [
        make_sample(
            np.moveaxis(iio.imread(path), -1, 0),
            np.load(folder / split / "groundtruth" / f"{path.stem}.npz")["segments"],
            share=PHOTOGRAPHS / len(paths),
        )
        for path in paths
    ]


def read_kind(folder: Path, *, held_out: bool = False) -> list[Sample]:
    """Return the learning or the held-out part of one kind of microscopy.

    Volumes give planes: of a kind with one volume, the last ones are held out.
    """
    share, background_weight = KINDS[folder.name]
    planes: list[tuple[np.ndarray, np.ndarray]] = []
    paths = sorted(folder.glob("*.npz"))
    for number, path in enumerate(paths):
        if len(paths) > 1 and is_held_out(number) != held_out:
            continue
        pair = np.load(path)
        image, labels = pair["image"], pair["labels"]
        if image.ndim == 2:
            planes.append((image[None], labels))
        elif image.shape[-1] == 3:
            planes.append((np.moveaxis(image, -1, 0), labels))
        else:
            cut = math.floor(0.85 * len(image))
            part = slice(cut + 1, None, 3) if held_out else slice(cut)
            image, labels = image[part], labels[part]
            # Only isotropic volumes look alike from all sides.
            isotropic = "fibsem" in folder.name and not held_out
            axes = (0, 1, 2) if isotropic else (0,)
            planes += [
                (np.take(image, i, axis)[None], np.take(labels, i, axis))
                for axis in axes
                for i in range(0, image.shape[axis], len(axes))
            ]
    whole = sum(share for share, _ in KINDS.values())
    return [
        make_sample(
            plane,
            truth,
            background_weight=background_weight,
            share=(1 - PHOTOGRAPHS) * share / whole / len(planes),
        )
        for plane, truth in planes
    ]


def main() -> None:
    """Train, and write the weights so far every few minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bsds500", type=Path)
    parser.add_argument("microscopy", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--steps", type=int, default=9800)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--loss", default="cross-entropy")
    parser.add_argument("--init", help="model to start from; default: from scratch")
    parser.add_argument(
        "--without", nargs="*", default=[], choices=KINDS, help="kinds to leave out"
    )
    parser.add_argument(
        "--share",
        nargs="*",
        default=[],
        metavar="KIND=SHARE",
        help="how often kinds are drawn, other than by KINDS",
    )
    parser.add_argument("--checkpoint", type=Path, help="go on from here if it exists")
    options = parser.parse_args()

    for kind, _, share in (text.partition("=") for text in options.share):
        KINDS[kind] = float(share), KINDS[kind][1]

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    samples = read_photographs(options.bsds500, "train")
    for kind in KINDS:
        if kind in options.without:
            continue
        samples += read_kind(options.microscopy / kind)
    events = train_affinity(
        samples,
        init=options.init,
        validation=(),
        steps=options.steps,
        event_every=100,
        batch=options.batch,
        size=options.size,
        learning_rate=options.learning_rate,
        loss=options.loss,
        seed=options.seed,
        name="default",
        should_stop=stop.is_set,
        checkpoint=options.checkpoint,
    )
    options.output.mkdir(parents=True, exist_ok=True)
    with (options.output / "log.csv").open("a") as log:
        for event in events:
            log.write(f"{event.step},{event.loss:.5f}\n")
            log.flush()
            if event.model and (event.step % 500 == 0 or event.finished):
                event.model.save(options.output / "default.safetensors")


if __name__ == "__main__":
    main()
