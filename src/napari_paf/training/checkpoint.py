"""Checkpoints: a training that was killed goes on as if nothing had happened."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

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

    Raises
    ------
    OSError
        If it cannot be written there.
    """
    state = {
        "fingerprint": fingerprint,
        "progress": dataclasses.asdict(training.progress),
        "random": training.rng.bit_generator.state,
    }
    tensors = {key: value.contiguous() for key, value in _tensors(training).items()}
    # Written by Python, which says why where a disk is full; safetensors does not.
    content = save(tensors, {KEY: json.dumps(state)})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


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
    damaged = ValueError(
        f"checkpoint={str(path)!r} is not a training checkpoint; choose another file, "
        "or delete it to start anew."
    )
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {})[KEY])
            tensors = {key: file.get_tensor(key) for key in file.keys()}
        found = state["fingerprint"]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        raise damaged from None
    if found != json.loads(json.dumps(fingerprint)):
        raise ValueError(
            f"checkpoint={str(path)!r} belongs to a training with other images or "
            "arguments; choose another file, or delete it to start anew."
        )
    try:
        _restore(training, state, tensors)
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise damaged from None


def _restore(
    training: Training, state: dict[str, Any], tensors: dict[str, Tensor]
) -> None:
    """Put a training into a state; of a damaged one anything may be missing."""
    training.rng.bit_generator.state = state["random"]
    for field in dataclasses.fields(training.progress):
        setattr(training.progress, field.name, state["progress"][field.name])
    # AdamW makes its moments at the first step: make them now, to be filled.
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
