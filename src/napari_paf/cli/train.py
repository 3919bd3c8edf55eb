"""``napari-paf train``: a model for one's own kind of image."""

from __future__ import annotations

import contextlib
import math
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_paf.cli._checks import (
    check_free,
    check_free_name,
    check_numbers,
    check_place,
)
from napari_paf.cli._console import Device, plain_errors, progress_bar, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_paf.training.loop import TrainingEvent
    from napari_paf.training.sampling import Sample


@plain_errors
def train(
    images: Annotated[Path, typer.Argument(help="Image file, or a folder of them.")],
    labels: Annotated[
        Path,
        typer.Argument(help="Label image, or a folder with one of each image's name."),
    ],
    name: Annotated[
        str | None,
        typer.Option(help="Keep the model under this name, for all programs."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the model to this .safetensors file.")
    ] = None,
    init: Annotated[
        str, typer.Option(help="Model to start from: a name, a path, or 'none'.")
    ] = "default",
    minutes: Annotated[
        float | None, typer.Option(help="How long to train. Default: 5.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Train for this many steps instead.")
    ] = None,
    unlabelled: Annotated[
        int | None,
        typer.Option(help="Label of pixels that nobody has labelled, such as 0."),
    ] = None,
    channel_axis: Annotated[
        int | None,
        typer.Option(
            help="Axis of the channels, from 0 or from -1. Default: as the files say."
        ),
    ] = None,
    spacing: Annotated[
        str | None,
        typer.Option(
            help="Size of a pixel along each axis, such as '3,1,1'. Default: as the "
            "files say."
        ),
    ] = None,
    loss: Annotated[
        str, typer.Option(help="'cross-entropy', 'segmentation-aware' or 'seal'.")
    ] = "cross-entropy",
    seed: Annotated[int, typer.Option(help="Start of the random numbers.")] = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="File to go on from if it is there, written on the way: after a "
            "break, give the same command again."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model that is there.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Train a model on images and label images.

    Objects have a number each. A part of the images is held out to choose the
    best model by. Ctrl-C stops and keeps the best so far; twice, it keeps nothing.
    """
    _check(name, output, minutes, steps, overwrite=overwrite)
    if checkpoint is not None:
        check_place("checkpoint", checkpoint)
    pairs = _pairs(images, labels)
    sizes = None if spacing is None else check_numbers("spacing", spacing)
    if steps is not None:
        length: dict[str, Any] = {"steps": steps}
    else:
        length = {"seconds": 60 * (5.0 if minutes is None else minutes)}
    with _stopped_by_ctrl_c() as stopping, progress_bar() as progress:
        progress(0, "Loading PyTorch and Numba")
        from napari_paf import train_affinity

        samples: list[Sample] = []
        for image, truth in pairs:
            progress(0, f"Reading {image.name}")
            samples += _read(image, truth, channel_axis, unlabelled, sizes)
        _warn_of_one_label(samples)
        events = train_affinity(
            samples,
            init=None if init == "none" else init,
            loss=loss,  # type: ignore[arg-type]
            seed=seed,
            device=device,
            name=name or (output.stem if output else "trained"),
            should_stop=stopping.is_set,
            checkpoint=checkpoint,
            progress=progress,
            **length,
        )
        for event in events:
            if not event.finished:
                _tell(event)
    assert event.model is not None
    _tell_best(event)
    _keep(event.model, name, output, overwrite=overwrite)


def _check(
    name: str | None,
    output: Path | None,
    minutes: float | None,
    steps: int | None,
    *,
    overwrite: bool,
) -> None:
    """Raise before any work if the result could not be kept."""
    from napari_paf.affinity.model_names import SUFFIX

    if name is None and output is None:
        raise ValueError("give --name or --output, to keep the model.")
    if minutes is not None and steps is not None:
        raise ValueError("give --minutes or --steps, not both.")
    if minutes is not None and not 0 < minutes < math.inf:
        raise ValueError(f"minutes={minutes:g}: give a number over 0.")
    if name is not None:
        check_free_name(name, overwrite=overwrite)
    if output is None:
        return
    if output.suffix != SUFFIX:
        raise ValueError(f"output={str(output)!r}: choose a name ending in {SUFFIX}.")
    check_free("output", output, overwrite=overwrite)


def _pairs(images: Path, labels: Path) -> list[tuple[Path, Path]]:
    """Return the files that belong together."""
    for path in (images, labels):
        if not path.exists():
            raise FileNotFoundError(f"{path}: there is no such file or folder.")
    if images.is_dir() != labels.is_dir():
        raise ValueError(f"{images} and {labels}: give two files, or two folders.")
    if not images.is_dir():
        return [(images, labels)]
    from napari_paf.evaluation import find_examples

    return [
        (each.image_path, each.truth_path) for each in find_examples(images, labels)
    ]


def _read(
    image: Path,
    truth: Path,
    channel_axis: int | None,
    unlabelled: int | None,
    spacing: tuple[float, ...] | None,
) -> list[Sample]:
    from napari_paf.training.pairs import as_samples

    try:
        return as_samples([(image, truth)], "pairs", channel_axis, unlabelled, spacing)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(str(error).replace("pairs[0]", image.name)) from None


def _warn_of_one_label(samples: Iterable[Sample]) -> None:
    from napari_paf.training.pairs import tells_apart

    if not any(map(tells_apart, samples)):
        say(
            "warning: no label image has two labels, so there is no boundary to learn "
            "from; give each object a number of its own."
        )


def _tell(event: TrainingEvent) -> None:
    parts = [f"step {event.step}"]
    if event.step:
        parts.append(f"loss {event.loss:.4f}")
    if event.validation is not None:
        parts.append(f"accuracy {event.validation:.2%}")
    best = "  *" if event.model is not None else ""
    say(", ".join(parts) + best)


def _tell_best(event: TrainingEvent) -> None:
    """Say which step the model is of: often it is not the last one."""
    if event.best is None or event.model is None:
        return
    step = event.model.summary["steps"]
    if step == 0 < event.step:
        say(
            f"accuracy {event.best:.2%} before the first of {event.step} steps: "
            "training did not help, and the model is as it was at the start"
        )
    else:
        say(f"accuracy {event.best:.2%} at step {step} of {event.step}")


def _keep(
    model: Any, name: str | None, output: Path | None, *, overwrite: bool
) -> None:
    """Write the model to both places; whatever happens, the training is not lost."""
    from napari_paf.affinity.model_store import save_user_model

    failures, is_kept = [], False
    if output is not None:
        try:
            model.save(output)
        except (OSError, TypeError, ValueError) as error:
            failures.append(f"output={str(output)!r} cannot be written ({error}).")
        else:
            is_kept = True
            say(f"{output} written")
    if name is not None:
        try:
            path = save_user_model(model, name, overwrite=overwrite)
        except (OSError, TypeError, ValueError) as error:
            failures.append(f"name={name!r} cannot be kept ({error}).")
        else:
            is_kept = True
            say(f"{name!r} is in {path}; use it with --model {name!r}")
    if failures and not is_kept:
        try:
            path = _saved_elsewhere(model, name or (output.stem if output else ""))
        except OSError as error:
            failures.append(f"Nor can the model be kept anywhere else ({error}).")
        else:
            failures.append(f"The model is in {path} instead.")
    if failures:
        raise OSError(" ".join(failures))


def _saved_elsewhere(model: Any, wish: str) -> Path:
    """Keep a model under a free name, or in a new folder; return its file."""
    from napari_paf.affinity.model_store import free_name, save_user_model

    try:
        return save_user_model(model, free_name(wish))
    except (OSError, TypeError, ValueError):
        folder = tempfile.mkdtemp(prefix="napari-paf-")
        name = free_name(wish, folder=folder)
        return save_user_model(model, name, folder=folder)


@contextlib.contextmanager
def _stopped_by_ctrl_c() -> Iterator[threading.Event]:
    """Give what the first Ctrl-C sets; the second one ends the program."""
    stopping = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(*_: Any) -> None:
        stopping.set()
        signal.signal(signal.SIGINT, before)
        say("stopping after this step; Ctrl-C again keeps nothing")

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, before)
