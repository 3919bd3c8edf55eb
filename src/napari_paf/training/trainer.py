"""Training as an iterator of events, so that the caller stays in charge.

Nothing here prints, draws or starts threads: whoever iterates shows the
progress, and may stop at any event.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from napari_paf.affinity.model import AffinityModel, load_model
from napari_paf.affinity.unet import AffinityUNet, UNetConfig
from napari_paf.training.augmentation import Augmentation
from napari_paf.training.losses import affinity_loss, segmentation_aware
from napari_paf.training.pairs import as_samples, hold_out
from napari_paf.training.sampling import Crops, Sample, draw_crops
from napari_paf.training.validation import superpixels_of, validate

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor, nn

AVERAGE = 0.999  # how much of the averaged weights stays at each step, at most
WARM_UP = 300  # steps until the full learning rate, or a tenth of all if fewer


@dataclass(frozen=True)
class TrainingEvent:
    """How far a training has come.

    Attributes
    ----------
    step, steps : int
        Steps done, and steps in all.
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


def train_affinity(
    pairs: Sequence[tuple[ArrayLike, ArrayLike] | Sample],
    *,
    init: str | os.PathLike[str] | AffinityModel | None = "default",
    channel_axis: int | None = None,
    unlabelled: int | None = None,
    validation: Sequence[tuple[ArrayLike, ArrayLike] | Sample] | None = None,
    steps: int = 300,
    event_every: int = 25,
    patience: int | None = None,
    batch: int = 8,
    size: int = 160,
    learning_rate: float | None = None,
    loss: Literal["cross-entropy", "segmentation-aware"] = "cross-entropy",
    boundary_weight: float = 8.0,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    device: str = "auto",
    name: str = "trained",
    should_stop: Callable[[], bool] | None = None,
) -> Iterator[TrainingEvent]:
    """Train an affinity network on labelled images.

    Parameters
    ----------
    pairs : sequence of (image, labels)
        2-D images and their label images. Labels may be dense or scribbled (see
        `unlabelled`), and may have a leading axis of several annotators. Label 0
        is a segment like any other unless it is `unlabelled`.
    init : str, path, AffinityModel or None, default: "default"
        The model to start from; None starts from scratch.
    channel_axis : int, optional
        Axis of the channels, in all images. Default: images are grey.
    unlabelled : int, optional
        Label of pixels that nobody has labelled. Nothing is learnt there.
    validation : sequence of (image, labels), optional
        Used to choose the best model. Default: every fifth image, or from fewer
        than five images a fifth of each. An empty sequence: none.
    steps : int, default: 300
        Number of batches to learn from.
    event_every : int, default: 25
        Steps from event to event; each event validates.
    patience : int, optional
        Stop after this many events without a new best model.
    batch, size : int, default: 8 and 160
        Crops in a batch, and their edge length in pixels.
    learning_rate : float, optional
        Highest rate of AdamW. Default: 0.003 from scratch, else 0.001.
    loss : {"cross-entropy", "segmentation-aware"}, default: "cross-entropy"
        The latter weighs pairs by how much the superpixels made of the current
        affinities leak across them, as SEAL does.
    boundary_weight : float, default: 8.0
        Weight of a pair across a boundary.
    augmentation : Augmentation, optional
        How crops are changed at random.
    seed : int, default: 0
        The same seed gives the same model on the CPU.
    device : str, default: "auto"
        A torch device; "auto" is the GPU if there is one.
    name : str, default: "trained"
        Name of the resulting model.
    should_stop : callable, optional
        Asked before each step; when it returns True, training ends with the
        best model so far.

    Yields
    ------
    event : TrainingEvent
        The last one is `finished` and has the best model.

    Raises
    ------
    TypeError, ValueError
        At once, if an argument does not fit.

    References
    ----------
    .. [1] W.-C. Tu et al., "Learning superpixels with segmentation-aware
           affinity loss", CVPR 2018.

    Examples
    --------
    >>> image = np.zeros((32, 32), np.uint8)
    >>> image[:, 20:] = 100
    >>> events = train_affinity([(image, image)], init=None, steps=2, batch=2, size=32)
    >>> model = [event.model for event in events][-1]
    >>> model.name
    'trained'
    """
    for key, value in {
        "steps": steps,
        "event_every": event_every,
        "batch": batch,
        "size": size,
    }.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{key}={value!r}: give an integer of at least 1.")
    if loss not in ("cross-entropy", "segmentation-aware"):
        raise ValueError(
            f"loss={loss!r}: choose 'cross-entropy' or 'segmentation-aware'."
        )
    if patience is not None and patience < 1:
        raise ValueError(
            f"patience={patience}: give an integer of at least 1, or None."
        )
    samples = as_samples(pairs, "pairs", channel_axis, unlabelled)
    if not samples:
        raise ValueError("pairs is empty: give at least one image with labels.")
    if validation is None:
        samples, held_out = hold_out(samples)
    else:
        held_out = as_samples(validation, "validation", channel_axis, unlabelled)
    model = _start(init, samples, seed)
    rate = learning_rate or (3e-3 if init is None else 1e-3)
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"learning_rate={rate}: give a number over 0.")
    training = _Training(
        model,
        samples,
        held_out,
        steps=steps,
        batch=batch,
        size=size,
        rate=rate,
        loss=loss,
        boundary_weight=boundary_weight,
        augmentation=augmentation or Augmentation(),
        seed=seed,
        device=_device(device),
        name=name,
    )
    return training.run(event_every, patience, should_stop)


class _Training:
    """Everything that changes while a network learns."""

    def __init__(
        self,
        model: AffinityModel,
        samples: list[Sample],
        held_out: list[Sample],
        *,
        steps: int,
        batch: int,
        size: int,
        rate: float,
        loss: str,
        boundary_weight: float,
        augmentation: Augmentation,
        seed: int,
        device: torch.device,
        name: str,
    ) -> None:
        self.model, self.samples, self.held_out = model, samples, held_out
        self.steps, self.batch, self.size, self.rate = steps, batch, size, rate
        self.loss, self.boundary_weight = loss, boundary_weight
        self.augmentation, self.device, self.name = augmentation, device, name
        self.rng = np.random.default_rng(seed)
        self.network = copy.deepcopy(model.network).to(device)
        if device.type == "cpu":  # a tenth faster there
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        kernels = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": kernels, "weight_decay": 0.02},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=rate,
        )

    def run(
        self,
        event_every: int,
        patience: int | None,
        should_stop: Callable[[], bool] | None,
    ) -> Iterator[TrainingEvent]:
        """Yield events; see `train_affinity`."""
        best_model = self._snapshot(0, None)
        best = self._validate()
        yield TrainingEvent(0, self.steps, math.nan, best, best, best_model)
        losses: list[float] = []
        step, waited, last_loss = 0, 0, math.nan
        while step < self.steps and not (should_stop and should_stop()):
            step += 1
            losses.append(self._step(step))
            if step % event_every and step != self.steps:
                continue
            last_loss, losses = float(np.mean(losses)), []
            score = self._validate()
            improved = None in (score, best) or score > best  # type: ignore[operator]
            if improved:
                best, best_model = score, self._snapshot(step, score)
            waited = 0 if improved else waited + 1
            yield TrainingEvent(
                step,
                self.steps,
                last_loss,
                score,
                best,
                best_model if improved else None,
            )
            if patience is not None and waited >= patience:
                break
        if best is None:
            best_model = self._snapshot(step, None)
        yield TrainingEvent(
            step, self.steps, last_loss, None, best, best_model, finished=True
        )

    def _step(self, step: int) -> float:
        """Learn from one batch; return its loss."""
        warm = min(1.0, step / min(WARM_UP, max(1, self.steps // 10)))
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * warm * (0.005 + 0.995 * cosine)
        crops = draw_crops(
            self.samples,
            batch=self.batch,
            size=self.size,
            channels=self.model.config.channels,
            rng=self.rng,
            augmentation=self.augmentation,
        )
        self.network.train()
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"
        ):
            logits = self.network(crops.image.to(self.device)).float()
        inside, across = self._weights(crops, logits)
        # The loss would undo the shift, which is for the clustering.
        shift = getattr(self.model.config, "shift", 0.0)
        loss = affinity_loss(
            logits - shift,
            inside.to(self.device),
            across.to(self.device),
            boundary_weight=self.boundary_weight,
        )
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        _move_average(
            self.average, self.network, min(AVERAGE, (1 + step) / (10 + step))
        )
        return float(loss.item())

    def _weights(self, crops: Crops, logits: Tensor) -> tuple[Tensor, Tensor]:
        offsets = self.model.offsets
        if self.loss == "cross-entropy":
            return crops.weights(offsets)
        temperature = self.model.config.temperature
        affinity = torch.sigmoid(logits.detach() / temperature).cpu().numpy()
        superpixels = [superpixels_of(a, a[0].size // 300) for a in affinity]

        def reweight(
            i: int,
            inside: NDArray[np.float32],
            across: NDArray[np.float32],
            truth: NDArray[Any],
        ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            unlabelled = crops.samples[i].unlabelled
            return segmentation_aware(
                inside, across, superpixels[i], truth, unlabelled=unlabelled
            )

        return crops.weights(offsets, reweight)

    def _validate(self) -> float | None:
        if not self.held_out:
            return None
        return validate(self.average, self.model.config, self.held_out, self.device)

    def _snapshot(self, step: int, score: float | None) -> AffinityModel:
        """Return the averaged weights as a model of its own."""
        summary = {
            "started from": self.model.name if self.model.name else None,
            "images": len(self.samples),
            "steps": step,
            "loss": self.loss,
            "validation": {"achievable segmentation accuracy": score},
        }
        network = copy.deepcopy(self.average).cpu()
        return AffinityModel(
            network,
            self.model.config,
            self.model.offsets,
            summary,
            self.model.licence,
            self.name,
        )


@torch.no_grad()
def _move_average(average: nn.Module, network: nn.Module, keep: float) -> None:
    current = network.state_dict()
    for key, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[key], 1 - keep)
        else:
            value.copy_(current[key])


def _start(init: Any, samples: list[Sample], seed: int) -> AffinityModel:
    """Return the model to start from, after a look at the images' channels."""
    found = sorted({len(sample.codes) for sample in samples} - {1})
    if len(found) > 1:
        raise ValueError(f"pairs: images have {found} channels; use one number.")
    if init is None:
        config = UNetConfig(channels=found[0] if found else 3)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            network = AffinityUNet(config)
        return AffinityModel(network, config, network.offsets, name="")
    model = init if isinstance(init, AffinityModel) else load_model(init)
    if found and found[0] != model.config.channels:
        raise ValueError(
            f"init={model.name!r} takes {model.config.channels} channels, the images "
            f"have {found[0]}; use init=None to train a network for them."
        )
    return model


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(device)
    except RuntimeError:
        raise ValueError(
            f"device={device!r}: choose 'auto', 'cpu' or 'cuda'."
        ) from None
