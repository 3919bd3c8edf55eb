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
from pathlib import Path

import torch
from crops_on_card import Bank
from training_data import KINDS, read_everything

from napari_paf.affinity.model import AffinityModel, load_model
from napari_paf.affinity.unet import AffinityUNet, UNetConfig
from napari_paf.training.losses import affinity_loss

WARM_UP = 500  # steps until the full learning rate
AVERAGE = 0.999  # how much of the averaged weights stays at each step, at most


def main() -> None:
    """Train; print the loss; write the weights."""
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
    options = parser.parse_args()

    for kind, _, share in (text.partition("=") for text in options.share):
        KINDS[kind] = float(share), KINDS[kind][1]
    samples = read_everything(
        options.bsds500, options.microscopy, without=options.without
    )
    device = torch.device(options.device)
    bank = Bank(samples, device, options.seed)

    torch.manual_seed(options.seed)
    before = {}
    if options.init:
        model = load_model(options.init)
        network, before = model.network, {"before": model.summary}
        network.config = dataclasses.replace(network.config, contrast=options.contrast)
    else:
        widths = tuple(options.widths or UNetConfig().widths)
        network = AffinityUNet(UNetConfig(widths=widths, contrast=options.contrast))
    network = network.to(device, memory_format=torch.channels_last).train()
    average = copy.deepcopy(network).eval().requires_grad_(False)
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": kernels, "weight_decay": 0.02}, {"params": others}],
        lr=options.learning_rate,
        weight_decay=0.0,
        fused=device.type == "cuda",
    )
    torch.backends.cudnn.benchmark = True
    options.output.mkdir(parents=True, exist_ok=True)

    def save(step: int, name: str = "default") -> None:
        config = network.config
        trained = copy.deepcopy(average).cpu().to(memory_format=torch.contiguous_format)
        summary = {
            "images": len(samples),
            "steps": step,
            "crops": step * options.batch,
            "loss": "cross-entropy",
            **before,
        }
        model = AffinityModel(trained, config, trained.offsets, summary, name="default")
        model.save(options.output / f"{name}.safetensors")

    start, step, fraction, total = (
        time.monotonic(),
        0,
        0.0,
        torch.zeros((), device=device),
    )
    while fraction < 1:
        step += 1
        rate = min(1.0, step / WARM_UP) * (
            0.002 + 0.998 * 0.5 * (1 + math.cos(math.pi * fraction))
        )
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * rate
        image, inside, across = bank.draw(options.batch, options.size, network.offsets)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
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
        move_average(average, network, min(AVERAGE, (1 + step) / (10 + step)))
        total += loss.detach()
        if options.seconds is None:
            fraction = step / options.steps
        elif step % 10 == 0:
            fraction = (time.monotonic() - start) / options.seconds
        if step % options.print_every == 0:
            mean = float(total) / options.print_every
            taken = time.monotonic() - start
            print(f"step {step}, {taken:.0f} s, loss {mean:.5f}", flush=True)
            total.zero_()
            if step % (10 * options.print_every) == 0:
                save(step)
    save(step)


@torch.no_grad()
def move_average(
    average: torch.nn.Module, network: torch.nn.Module, keep: float
) -> None:
    """Move averaged weights towards the present ones."""
    pairs = zip(
        [*average.parameters(), *average.buffers()],
        [*network.parameters(), *network.buffers()],
        strict=True,
    )
    floating, counted = [], []
    for old, new in pairs:
        (floating if old.is_floating_point() else counted).append((old, new))
    torch._foreach_lerp_(
        [old for old, _ in floating], [new for _, new in floating], 1 - keep
    )
    for old, new in counted:
        old.copy_(new)


if __name__ == "__main__":
    main()
