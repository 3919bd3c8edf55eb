"""Training as an iterator of events, so that the caller stays in charge.

Nothing here prints, draws or starts threads: whoever iterates shows the
progress, and may stop at any event.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import torch

from napari_paf._validation import check_label
from napari_paf.affinity.device import choose_device
from napari_paf.affinity.model import AffinityModel, load_model
from napari_paf.affinity.unet import AffinityUNet, UNetConfig
from napari_paf.training.augmentation import Augmentation
from napari_paf.training.checks import (
    check_callable,
    check_checkpoint,
    check_integer,
    check_over_zero,
)
from napari_paf.training.loop import LOSSES, Training, TrainingEvent
from napari_paf.training.pairs import (
    as_samples,
    flattened,
    for_validation,
    hold_out,
    planes_of,
)
from napari_paf.training.schedule import Schedule
from napari_paf.training.validation import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike

    from napari_paf._progress import Progress
    from napari_paf.training.sampling import Sample

__all__ = ["TrainingEvent", "train_affinity"]

# By the number of axes the network takes: crops in a batch, and their size; widths of
# the levels of a new network.
USUAL_CROPS = {2: (4, 128), 3: (2, 64)}
WIDTHS = {2: UNetConfig().widths, 3: (12, 24, 48, 96)}
MOST_HELD_OUT = 48  # planes of each volume to validate on
LARGEST_SEED = 2**63 - 1  # of 64 bits, as PyTorch's integers are


def train_affinity(
    pairs: Sequence[tuple[ArrayLike, ArrayLike] | Sample],
    *,
    init: str | os.PathLike[str] | AffinityModel | None = "default",
    channel_axis: int | None = None,
    unlabelled: int | None = None,
    spacing: Sequence[float] | None = None,
    validation: Sequence[tuple[ArrayLike, ArrayLike] | Sample] | None = None,
    steps: int = 300,
    seconds: float | None = None,
    event_every: int = 25,
    patience: int | None = None,
    batch: int | None = None,
    size: int | None = None,
    learning_rate: float | None = None,
    loss: Literal["cross-entropy", "seal", "segmentation-aware"] = "cross-entropy",
    boundary_weight: float = 8.0,
    augmentation: Augmentation | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    name: str = "trained",
    should_stop: Callable[[], bool] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Iterator[TrainingEvent]:
    """Train an affinity network on labelled images.

    Parameters
    ----------
    pairs : sequence of (image, labels)
        Images or volumes and their label images: arrays, paths of files, or napari
        layers, which say themselves where colours are. Labels may be dense or scribbled
        (see `unlabelled`), and may have a leading axis of several annotators. Label
        0 is a segment like any other unless it is `unlabelled`.
    init : str, path, AffinityModel or None, default: "default"
        The model to start from; None starts from scratch, with a network for
        volumes if `pairs` are volumes of more than one plane. A model for images
        learns from volumes plane by plane, from all three sides, as it is applied to
        them; of stacks of few planes not from the sides, which are too thin.
    channel_axis : int, optional
        Axis of the channels, in all images. Default: what a file or a layer says;
        arrays are grey.
    unlabelled : int, optional
        Label of pixels that nobody has labelled. Nothing is learnt there.
    spacing : sequence of float, optional
        Size of a pixel along each spatial axis, in all images; only proportions matter.
        Default: what a file or a layer says; 1 along all axes of arrays. Networks for
        images see planes stretched to their true proportions, as in `predict_affinity`.
    validation : sequence of (image, labels), optional
        Used to choose the best model. Default: every fifth image, or from fewer
        than five images a fifth of each, if there are two labels in it. An empty
        sequence: none.
    steps : int, default: 300
        Number of batches to learn from.
    seconds : float, optional
        Learn for this long instead of `steps` batches; the learning rate falls
        with the time. How far one gets then depends on the machine.
    event_every : int, default: 25
        Steps from event to event; each event validates. With `seconds`, events
        are rarer where validating takes long.
    patience : int, optional
        Stop after this many events without a new best model.
    batch, size : int, optional
        Crops in a batch, and their edge length in pixels. Default: 4 of 128 pixels
        along each axis; for a network for volumes, 2 of 64.
    learning_rate : float, optional
        Highest rate of AdamW. Default: 0.003 from scratch, else 0.001.
    loss : {"cross-entropy", "seal", "segmentation-aware"}
        ``"seal"`` weighs pairs by one plus how many pixels the superpixels made of
        the current affinities leak across them, as published;
        ``"segmentation-aware"`` by one plus four times the share of their pixels,
        which does not grow with their area.
    boundary_weight : float, default: 8.0
        Weight of a pair across a boundary.
    augmentation : Augmentation, optional
        How crops are changed at random.
    seed : int, default: 0
        From 0 to ``2**63 - 1``. The same seed gives the same model on the CPU, with
        the same number of PyTorch's threads.
    device : str or torch.device, default: "auto"
        ``"auto"`` for CUDA if there is a card, else the CPU; or one of PyTorch's.
    name : str, default: "trained"
        Name of the resulting model.
    should_stop : callable, optional
        Asked before each step; when it returns True, training ends with the
        best model so far. It may wait to pause the training: that time does not
        count.
    checkpoint : path-like, optional
        A ``.safetensors`` file, written at every event. If it is there already,
        training goes on from it, with the same arguments; the result is the same
        as without a break. If it can no longer be written on the way, there is a
        warning, and training goes on.
    progress : callable, optional
        Called as ``progress(fraction, description)`` several times in each step;
        to cancel, raise from it.

    Yields
    ------
    event : TrainingEvent
        The last one is `finished` and has the best model.

    Raises
    ------
    TypeError, ValueError
        At once, if an argument does not fit.
    ValueError
        On the way, if the training diverges, so that there is nothing to go on with.

    References
    ----------
    .. [1] W.-C. Tu et al., "Learning superpixels with segmentation-aware
           affinity loss", CVPR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_paf import train_affinity
    >>> image = np.zeros((32, 32), np.uint8)
    >>> image[:, 20:] = 100
    >>> events = train_affinity([(image, image)], init=None, steps=2, batch=2, size=32)
    >>> model = [event.model for event in events][-1]
    >>> model.name
    'trained'
    """
    check_integer("steps", steps, 1)
    check_integer("event_every", event_every, 1)
    check_integer("seed", seed, 0, LARGEST_SEED)
    for key, value in (("batch", batch), ("size", size), ("patience", patience)):
        if value is not None:
            check_integer(key, value, 1)
    check_over_zero("boundary_weight", boundary_weight)
    for key, number in (("seconds", seconds), ("learning_rate", learning_rate)):
        if number is not None:
            check_over_zero(key, number)
    check_label("unlabelled", unlabelled)
    check_callable("should_stop", should_stop)
    check_callable("progress", progress)
    if augmentation is not None and not isinstance(augmentation, Augmentation):
        raise TypeError(
            f"augmentation={augmentation!r}: give an Augmentation, or None."
        )
    if not isinstance(name, str):
        raise TypeError(f"name={name!r}: give a name, as text.")
    where = _device(device)
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss={loss!r}: choose one of {', '.join(LOSSES)}.")
    check_checkpoint(checkpoint)
    samples = as_samples(pairs, "pairs", channel_axis, unlabelled, spacing)
    if not samples:
        raise ValueError("pairs is empty: give at least one image with labels.")
    if init is None:
        samples = flattened(samples)
    if validation is None:
        samples, held_out = hold_out(samples)
    else:
        held_out = as_samples(
            validation, "validation", channel_axis, unlabelled, spacing
        )
    model = _start(init, samples, seed)
    _check_fit(held_out, model)
    if model.config.ndim == 2:
        samples, held_out = planes_of(samples), planes_of(held_out, MOST_HELD_OUT)
    any_given, held_out = bool(held_out), for_validation(held_out, LARGEST)
    if validation is not None and any_given and not held_out:
        raise ValueError(
            "validation: no image has two labels to tell apart; give others, or an "
            "empty sequence for none."
        )
    usual_batch, usual_size = USUAL_CROPS[model.config.ndim]
    batch, size = batch or usual_batch, size or usual_size
    stride = getattr(model.network, "stride", 1)
    if batch == 1 and size <= stride:
        raise ValueError(
            f"batch=1 with size={size}: this network has nothing to normalise over; "
            f"give a batch of at least 2, or a size over {stride}."
        )
    if learning_rate is None:
        learning_rate = 3e-3 if init is None else 1e-3
    # Python's own numbers, as a checkpoint cannot hold NumPy's.
    training = Training(
        model,
        samples,
        held_out,
        schedule=Schedule(int(steps), None if seconds is None else float(seconds)),
        batch=int(batch),
        size=int(size),
        rate=float(learning_rate),
        loss=loss,
        boundary_weight=float(boundary_weight),
        augmentation=augmentation or Augmentation(),
        seed=int(seed),
        device=where,
        name=name,
        checkpoint=checkpoint,
    )
    return training.run(event_every, patience, should_stop, progress)


def _start(init: Any, samples: list[Sample], seed: int) -> AffinityModel:
    """Return the model to start from, after a look at the images' channels."""
    found = sorted({len(sample.codes) for sample in samples} - {1})
    if len(found) > 1:
        raise ValueError(f"pairs: images have {found} channels; use one number.")
    axes = {sample.ndim for sample in samples}
    if len(axes) > 1:
        raise ValueError("pairs: 2-D images and volumes; train on one sort.")
    (ndim,) = axes
    if init is None:
        n_channels = found[0] if found else 3 if ndim == 2 else 1
        config = UNetConfig(ndim=ndim, channels=n_channels, widths=WIDTHS[ndim])
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            network = AffinityUNet(config)
        return AffinityModel(network, config, network.offsets, name="")
    model = init if isinstance(init, AffinityModel) else _load(init)
    if ndim < model.config.ndim:
        raise ValueError(
            f"init={model.name!r} takes volumes, the images are 2-D; start from "
            "another model, or from None."
        )
    if found and found[0] != model.config.channels:
        raise ValueError(
            f"init={model.name!r} takes {model.config.channels} channels, the images "
            f"have {found[0]}; use init=None to train a network for them."
        )
    return model


def _check_fit(validation: list[Sample], model: AffinityModel) -> None:
    """Raise unless a network can be validated on samples."""
    n_channels = model.config.channels
    for sample in validation:
        if sample.ndim < model.config.ndim:
            raise ValueError(
                "validation: 2-D images, but the network takes volumes; give volumes."
            )
        if len(sample.codes) not in (1, n_channels):
            raise ValueError(
                f"validation: images have {len(sample.codes)} channels, the network "
                f"takes {n_channels}; give images like those in pairs."
            )


def _load(init: Any) -> AffinityModel:
    """Return the model of this name or in this file."""
    if not isinstance(init, str | os.PathLike):
        raise TypeError(
            f"init={init!r}: give the name of a model, the path of a model file, an "
            "AffinityModel or None."
        )
    try:
        return load_model(init)
    except ValueError as error:
        said = str(error).removeprefix(f"model={str(init)!r}: ")
        raise ValueError(f"init={str(init)!r}: {said}") from None


def _device(device: str | torch.device) -> torch.device:
    if device == "auto" and not torch.cuda.is_available():
        return torch.device("cpu")
    return choose_device(device)
