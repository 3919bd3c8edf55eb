"""Train the default affinity network on photographs and microscopy.

Usage::

    python tools/train_default.py BSDS500_DIR MICROSCOPY_DIR OUTPUT_DIR --steps 12500

Meant for a graphics card, which learns from thousands of crops a second; ``--device
cpu`` does the same, in days. The same arguments go through the same crops, unless
``--seconds`` sets an end in time. Writes ``OUTPUT_DIR/default.safetensors`` now and
then and at the end; ``tune_default.py`` makes the shipped model file of it.

The shipped network learnt in two runs on an NVIDIA H200, the first of which shared the
card with another training::

    python tools/train_default.py BSDS500 MICROSCOPY FIRST --seconds 425 --contrast 2
    python tools/train_default.py BSDS500 MICROSCOPY SECOND --seconds 205 --seed 1 \\
        --init FIRST/default.safetensors --contrast 4 --learning-rate 1.5e-3 \\
        --share nuclei_3d_plantseg=0.2 nuclei_3d_qcanet=0.15
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from crops_on_card import Bank
from training_data import KINDS, read_everything

from napari_paf.affinity.model import AffinityModel, load_model
from napari_paf.affinity.unet import AffinityUNet, UNetConfig
from napari_paf.training.loop import move_average, new_optimizer
from napari_paf.training.losses import affinity_loss

WARM_UP = 500  # steps until the full learning rate
SAVE_EVERY = 10  # lines printed


def main() -> None:
    """Train; print the loss; write the weights."""
    options = parse_arguments()
    for kind, _, share in (text.partition("=") for text in options.share):
        KINDS[kind] = float(share), KINDS[kind][1]
    samples = read_everything(
        options.bsds500, options.microscopy, without=options.without
    )
    device = torch.device(options.device)
    torch.manual_seed(options.seed)
    network, summary = first_network(options)
    network = network.to(device, memory_format=torch.channels_last).train()
    average = copy.deepcopy(network).eval().requires_grad_(False)
    summary["images"] = len(samples)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "default.safetensors"

    bank = Bank(samples, device, options.seed)
    losses = train(network, average, bank, options)
    total, start, step = torch.zeros((), device=device), time.monotonic(), 0
    for step, loss in enumerate(losses, 1):
        total += loss
        if step % options.print_every == 0:
            mean, taken = float(total) / options.print_every, time.monotonic() - start
            print(f"step {step}, {taken:.0f} s, loss {mean:.5f}", flush=True)
            total.zero_()
        if step % (SAVE_EVERY * options.print_every) == 0:
            save(average, summary, step, options.batch, path)
    save(average, summary, step, options.batch, path)


def parse_arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bsds500", type=Path)
    parser.add_argument("microscopy", type=Path)
    parser.add_argument("output", type=Path)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, help="how long to learn")
    length.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--boundary-weight", type=float, default=8.0)
    parser.add_argument("--widths", type=int, nargs="+", help="of the levels")
    parser.add_argument("--contrast", type=float, default=UNetConfig().contrast)
    parser.add_argument("--init", help="model to start from; default: from scratch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--bfloat16",
        action="store_true",
        help="compute in it on a processor too; cards do",
    )
    parser.add_argument("--print-every", type=int, default=500)
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
    return parser.parse_args()


def first_network(options: argparse.Namespace) -> tuple[AffinityUNet, dict[str, Any]]:
    """Return the network to start from, and what its card says of how it came about."""
    if not options.init:
        widths = tuple(options.widths or UNetConfig().widths)
        return AffinityUNet(UNetConfig(widths=widths, contrast=options.contrast)), {}
    model = load_model(options.init)
    network = model.network
    network.config = dataclasses.replace(network.config, contrast=options.contrast)
    return network, {"before": model.summary}


def train(
    network: AffinityUNet,
    average: AffinityUNet,
    bank: Bank,
    options: argparse.Namespace,
) -> Iterator[torch.Tensor]:
    """Train a network, and average its weights; yield the loss of every step."""
    on_card = bank.device.type == "cuda"
    lower = on_card or options.bfloat16
    optimizer = new_optimizer(network, options.learning_rate, fused=on_card)
    torch.backends.cudnn.benchmark = True
    start, step, fraction = time.monotonic(), 0, 0.0
    while fraction < 1:
        step += 1
        falling = 0.002 + 0.998 * 0.5 * (1 + math.cos(math.pi * fraction))
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * falling * min(1.0, step / WARM_UP)
        image, inside, across = bank.draw(options.batch, options.size, network.offsets)
        with torch.autocast(bank.device.type, torch.bfloat16, enabled=lower):
            logits = network(image).float()
        loss = affinity_loss(
            logits - network.config.shift,
            inside,
            across,
            boundary_weight=options.boundary_weight,
        )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        move_average(average, network, step)
        yield loss.detach()
        if options.seconds is None:
            fraction = step / options.steps
        elif step % 10 == 0:
            fraction = (time.monotonic() - start) / options.seconds


def save(
    average: AffinityUNet, summary: dict[str, Any], step: int, batch: int, path: Path
) -> None:
    """Write the averaged weights."""
    trained = copy.deepcopy(average).cpu().to(memory_format=torch.contiguous_format)
    summary = {"steps": step, "crops": step * batch, "loss": "cross-entropy", **summary}
    model = AffinityModel(
        trained, average.config, trained.offsets, summary, name="default"
    )
    model.save(path)


if __name__ == "__main__":
    main()
