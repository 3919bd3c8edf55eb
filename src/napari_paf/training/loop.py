"""The training loop: what changes while a network learns, and how it resumes."""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from napari_paf._progress import silent
from napari_paf.affinity.balance import balance_of
from napari_paf.affinity.model import AffinityModel
from napari_paf.training.checkpoint import (
    digest_of_sample,
    digest_of_weights,
    read_checkpoint,
    write_checkpoint,
)
from napari_paf.training.losses import LeakageForm, affinity_loss, segmentation_aware
from napari_paf.training.sampling import Crops, Sample, draw_crops
from napari_paf.training.validation import (
    PIXELS_PER_SUPERPIXEL,
    superpixels_of,
    validate,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from napari_paf._progress import Progress as Report
    from napari_paf.training.augmentation import Augmentation
    from napari_paf.training.schedule import Schedule

# Names of the losses, and the form of leakage that each weighs pairs by, times what.
LOSSES: dict[str, tuple[LeakageForm, float] | None] = {
    "cross-entropy": None,
    "seal": ("published", 1.0),
    "segmentation-aware": ("share", 4.0),
}
AVERAGE = 0.999  # how much of the averaged weights stays at each step, at most


@dataclass(frozen=True)
class TrainingEvent:
    """How far a training has come.

    Attributes
    ----------
    step, steps : int
        Steps done, and steps in all; where a time is given instead, about as many
        as there will be.
    loss : float
        Mean over the steps since the last event; NaN before the first step.
    validation : float or None
        Mean achievable segmentation accuracy of the held-out part, from 0 to 1.
    best : float or None
        The best one so far.
    model : AffinityModel or None
        The model, whenever it is a new best one, and at the end the best one.
        Without validation: the model as it is now, at every event.
    finished : bool
        True for the last event.
    """

    step: int
    steps: int
    loss: float
    validation: float | None = None
    best: float | None = None
    model: AffinityModel | None = None
    finished: bool = False


@dataclass
class Progress:
    """Numbers that change while a network learns."""

    step: int = 0
    elapsed: float = 0.0  # seconds
    best: float | None = None
    best_step: int = 0
    waited: int = 0  # events since the best one


class Training:
    """Everything that changes while a network learns.

    Takes the arguments of `train_affinity`, checked and complete.
    """

    def __init__(
        self,
        model: AffinityModel,
        samples: list[Sample],
        held_out: list[Sample],
        *,
        schedule: Schedule,
        batch: int,
        size: int,
        rate: float,
        loss: str,
        boundary_weight: float,
        augmentation: Augmentation,
        seed: int,
        device: torch.device,
        name: str,
        checkpoint: str | os.PathLike[str] | None,
    ) -> None:
        self.model, self.samples, self.held_out = model, samples, held_out
        self.schedule = schedule
        self.batch, self.size, self.rate = batch, size, rate
        self.loss, self.boundary_weight = loss, boundary_weight
        self.augmentation, self.device, self.name = augmentation, device, name
        self.rng = np.random.default_rng(seed)
        self.network = copy.deepcopy(model.network).to(device)
        if device.type == "cpu":  # a tenth faster there
            self.network.to(memory_format=_channels_last(model.config.ndim))  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = new_optimizer(self.network, rate)
        self.best = copy.deepcopy(self.average)
        self.progress = Progress()
        self._has_warned = False
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        # What must be the same for going on to make sense.
        self.fingerprint = (
            {}
            if checkpoint is None
            else {
                "config": repr(model.config),
                "start": digest_of_weights(model.network),
                "samples": [digest_of_sample(sample) for sample in samples],
                "held out": [digest_of_sample(sample) for sample in held_out],
                "augmentation": repr(augmentation),
                "length": [schedule.steps, schedule.seconds],
                "numbers": [batch, size, rate, loss, boundary_weight, seed],
            }
        )
        if self.checkpoint is not None and self.checkpoint.exists():
            read_checkpoint(self.checkpoint, self, self.fingerprint)

    def run(
        self,
        event_every: int,
        patience: int | None,
        should_stop: Callable[[], bool] | None,
        report: Report | None = None,
    ) -> Iterator[TrainingEvent]:
        """Yield events; see `train_affinity`."""
        report = report or silent
        progress, schedule = self.progress, self.schedule
        schedule.step, schedule.elapsed = progress.step, progress.elapsed
        schedule.start()
        if schedule.step == 0:
            score = self._validate(report)
            schedule.looked()
            yield self._event(math.nan, score, improved=True)
        losses: list[float] = []
        loss = math.nan
        while not schedule.stops(should_stop):
            if patience is not None and progress.waited >= patience:
                break
            schedule.step += 1
            losses.append(self._step(report))
            progress.step = schedule.step
            if not schedule.looks(event_every):
                continue
            loss, losses = float(np.mean(losses)), []
            score, best = self._validate(report), progress.best
            schedule.looked()
            progress.elapsed = schedule.elapsed
            improved = score is None or best is None or score > best
            event = self._event(loss, score, improved=improved)
            if self.checkpoint is not None:
                self._keep(self.checkpoint)
            yield event
        if losses:  # stopped between two events
            loss = float(np.mean(losses))
        if not self.held_out:
            progress.best_step = progress.step
            self.best.load_state_dict(self.average.state_dict())
        yield TrainingEvent(
            progress.step,
            schedule.steps_in_all,
            loss,
            None,
            progress.best,
            self._model(),
            finished=True,
        )

    def _keep(self, checkpoint: Path) -> None:
        """Write the checkpoint; warn the first time that this fails."""
        try:
            write_checkpoint(checkpoint, self, self.fingerprint)
        except OSError as error:
            # The model matters more; and at the next event there may be room again.
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"checkpoint={str(checkpoint)!r} cannot be written "
                    f"({error.strerror or error}); the training goes on without a "
                    "checkpoint.",
                    stacklevel=3,
                )

    def _check_finite(self, values: Any) -> None:
        """Raise if what the network gives or is made of is no longer finite."""
        if not np.isfinite(values).all():
            raise ValueError(
                f"learning_rate={self.rate:g}, boundary_weight="
                f"{self.boundary_weight:g}: the training diverged at step "
                f"{self.schedule.step}; give a lower rate, or a lower weight."
            )

    def _event(
        self, loss: float, score: float | None, *, improved: bool
    ) -> TrainingEvent:
        """Note whether this is the best model so far, and return the event."""
        progress = self.progress
        progress.waited = 0 if improved else progress.waited + 1
        if improved:
            progress.best, progress.best_step = score, progress.step
            self.best.load_state_dict(self.average.state_dict())
        return TrainingEvent(
            progress.step,
            self.schedule.steps_in_all,
            loss,
            score,
            progress.best,
            self._model() if improved else None,
        )

    def _step(self, report: Report) -> float:
        """Learn from one batch; return its loss."""
        # Again and again within the step, as it is also how to cancel.
        look = partial(report, self.schedule.fraction, self.schedule.description)
        look()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * self.schedule.rate
        crops = draw_crops(
            self.samples,
            batch=self.batch,
            size=self.size,
            channels=self.model.config.channels,
            rng=self.rng,
            augmentation=self.augmentation,
        )
        look()
        self.network.train()
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"
        ):
            logits = self.network(self._input(crops).to(self.device)).float()
        look()
        inside, across = self._weights(crops, logits, look)
        # The loss would undo the shift, which is for the clustering.
        shift = getattr(self.model.config, "shift", 0.0)
        loss = affinity_loss(
            logits - shift,
            inside.to(self.device),
            across.to(self.device),
            boundary_weight=self.boundary_weight,
        )
        look()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        step = self.schedule.step
        move_average(self.average, self.network, step)
        value = float(loss.item())
        self._check_finite(value)
        return value

    def _input(self, crops: Crops) -> Tensor:
        prepare: Any = self.model.network.prepare_normalized
        images = [prepare(image) for image in crops.image.numpy()]
        return torch.from_numpy(np.stack(images))

    def _weights(
        self, crops: Crops, logits: Tensor, look: Callable[[], None]
    ) -> tuple[Tensor, Tensor]:
        offsets, weighing = self.model.offsets, LOSSES[self.loss]
        if weighing is None:
            return crops.weights(offsets)
        form, strength = weighing
        config = self.model.config
        affinity = torch.sigmoid(logits.detach() / config.temperature).cpu().numpy()
        self._check_finite(affinity)
        # One loss for all granularities: each crop has its own.
        sizes = self.rng.choice(PIXELS_PER_SUPERPIXEL, len(affinity))

        def reported(fraction: float, description: str) -> None:
            look()

        superpixels = [
            superpixels_of(a, a[0].size // size, balance_of(config, a), reported)
            for a, size in zip(affinity, sizes, strict=True)
        ]

        def reweight(
            i: int,
            inside: NDArray[np.float32],
            across: NDArray[np.float32],
            truth: NDArray[Any],
        ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            return segmentation_aware(
                inside,
                across,
                superpixels[i],
                truth,
                unlabelled=crops.samples[i].unlabelled,
                form=form,
                strength=strength,
            )

        return crops.weights(offsets, reweight)

    def _validate(self, report: Report) -> float | None:
        if not self.held_out:
            return None
        look = partial(report, self.schedule.fraction, "Measuring the superpixels")
        config, device = self.model.config, self.device
        score = validate(self.average, config, self.held_out, device, look)
        self._check_finite(score)
        return score

    def _model(self) -> AffinityModel:
        """Return the best weights so far as a model of its own."""
        for value in self.best.state_dict().values():
            self._check_finite(value.cpu().numpy())
        best, step = self.progress.best, self.progress.best_step
        summary = {
            "started from": self.model.name or None,
            "images": len(self.samples),
            "steps": step,
            "loss": self.loss,
            "validation": {"achievable segmentation accuracy": best},
        }
        if self.model.summary:
            kept = ("started from", "images", "steps", "loss", "before")
            summary["before"] = {
                key: self.model.summary[key]
                for key in kept
                if key in self.model.summary
            }
        return AffinityModel(
            copy.deepcopy(self.best).cpu(),
            self.model.config,
            self.model.offsets,
            summary,
            self.model.licence,
            self.name,
        )


def _channels_last(ndim: int) -> torch.memory_format:
    return torch.channels_last if ndim == 2 else torch.channels_last_3d


def new_optimizer(network: nn.Module, rate: float, **options: Any) -> torch.optim.AdamW:
    """Return an optimizer that lets convolutions decay, but no scales or shifts."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": kernels, "weight_decay": 0.02},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, **options)


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, step: int) -> None:
    """Move averaged weights towards those after `step` steps; early ones soon fade."""
    keep = min(AVERAGE, (1 + step) / (10 + step))
    now = network.state_dict()
    pairs = [(old, now[key]) for key, old in average.state_dict().items()]
    floating = [pair for pair in pairs if pair[0].is_floating_point()]
    old_values, new_values = ([pair[side] for pair in floating] for side in (0, 1))
    move = get_ema_multi_avg_fn(keep)  # type: ignore[no-untyped-call]
    move(old_values, new_values, None)
    for old, new in pairs:
        if not old.is_floating_point():
            old.copy_(new)
