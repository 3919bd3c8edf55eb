"""Checkpoints: a training that was killed goes on as if nothing had happened."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from napari_paf._files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from napari_paf.training.loop import Training
    from napari_paf.training.sampling import Sample

KEY = "napari_paf_training"


def write_checkpoint(path: Path, training: Training, fingerprint: Any) -> None:
    """Write everything that the next step depends on; never half of it.

    Parameters
    ----------
    path : Path
    training : Training
    fingerprint : JSON-able
        What `training` was made from, to be compared when it resumes.
    """
    state = {
        "fingerprint": fingerprint,
        "progress": dataclasses.asdict(training.progress),
        "random": training.rng.bit_generator.state,
    }
    tensors = {key: value.contiguous() for key, value in _tensors(training).items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, {KEY: json.dumps(state)})


def read_checkpoint(path: Path, training: Training, fingerprint: Any) -> None:
    """Put a training into the state that a checkpoint holds.

    Parameters
    ----------
    path : Path
    training : Training
        Freshly made, from the same arguments as the one that was written.
    fingerprint : JSON-able

    Raises
    ------
    ValueError
        If the file is no checkpoint, or one of another training.
    """
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {})[KEY])
            tensors = {key: file.get_tensor(key) for key in file.keys()}
    except (OSError, SafetensorError, KeyError, ValueError):
        raise ValueError(
            f"checkpoint={str(path)!r} is not a training checkpoint; choose another "
            "file, or delete it to start anew."
        ) from None
    if state["fingerprint"] != json.loads(json.dumps(fingerprint)):
        raise ValueError(
            f"checkpoint={str(path)!r} belongs to a training with other images or "
            "arguments; choose another file, or delete it to start anew."
        )
    training.rng.bit_generator.state = state["random"]
    for name, value in state["progress"].items():
        setattr(training.progress, name, value)
    # AdamW makes its moments at the first step: make them now, to be filled.
    if any(key.startswith("optimizer.") for key in tensors):
        for group in training.optimizer.param_groups:
            for parameter in group["params"]:
                training.optimizer.state[parameter] = {
                    "step": torch.tensor(0.0),
                    "exp_avg": torch.zeros_like(parameter),
                    "exp_avg_sq": torch.zeros_like(parameter),
                }
    with torch.no_grad():
        for key, value in _tensors(training).items():
            value.copy_(tensors[key])


def digest_of_sample(sample: Sample) -> str:
    """Return what differs between samples that differ in anything."""
    digest = hashlib.blake2b(digest_size=16)
    for values in (sample.codes, sample.labels):
        digest.update(f"{values.dtype.str} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).data)
    rest = (sample.unlabelled, sample.background_weight, sample.share)
    digest.update(repr(rest).encode())
    return digest.hexdigest()


def digest_of_weights(network: nn.Module) -> str:
    """Return what differs between networks of one kind that differ in a weight."""
    digest = hashlib.blake2b(digest_size=16)
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(value.cpu().numpy()).data)
    return digest.hexdigest()


def _tensors(training: Training) -> dict[str, Tensor]:
    """Return all tensors of a training by name; they share its memory."""
    found = {}
    for part in ("network", "average", "best"):
        for key, value in getattr(training, part).state_dict().items():
            found[f"{part}.{key}"] = value
    parameters = [p for g in training.optimizer.param_groups for p in g["params"]]
    for number, parameter in enumerate(parameters):
        for key, value in training.optimizer.state[parameter].items():
            found[f"optimizer.{number}.{key}"] = value
    return found
