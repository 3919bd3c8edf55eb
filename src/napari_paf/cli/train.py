"""``napari-paf train``: a model for one's own kind of image."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_paf.cli._checks import check_free, check_place
from napari_paf.cli._console import Device, messages, plain_errors, progress_bar

if TYPE_CHECKING:
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
            samples += _read(image, truth, channel_axis, unlabelled)
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
    _keep(event.model, name, output, overwrite=overwrite)
    if event.best is not None:
        messages.print(f"accuracy {event.best:.2%} after {event.step} steps")


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
    from napari_paf.affinity.model_store import check_free_name

    if name is None and output is None:
        raise ValueError("give --name or --output, to keep the model.")
    if minutes is not None and steps is not None:
        raise ValueError("give --minutes or --steps, not both.")
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
    image: Path, truth: Path, channel_axis: int | None, unlabelled: int | None
) -> list[Sample]:
    from napari_paf.training.pairs import as_samples

    try:
        return as_samples([(image, truth)], "pairs", channel_axis, unlabelled)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(str(error).replace("pairs[0]", image.name)) from None


def _tell(event: Any) -> None:
    parts = [f"step {event.step}"]
    if event.step:
        parts.append(f"loss {event.loss:.4f}")
    if event.validation is not None:
        parts.append(f"accuracy {event.validation:.2%}")
    best = "  *" if event.model is not None else ""
    messages.print(", ".join(parts) + best, markup=False)


def _keep(
    model: Any, name: str | None, output: Path | None, *, overwrite: bool
) -> None:
    from napari_paf.affinity.model_store import save_user_model

    # The file first: whatever happens to the name, the training is not lost.
    if output is not None:
        model.save(output)
        messages.print(f"{output} written", markup=False, soft_wrap=True)
    if name is not None:
        path = save_user_model(model, name, overwrite=overwrite)
        messages.print(
            f"{name!r} is in {path}; use it with --model {name!r}",
            markup=False,
            soft_wrap=True,
        )


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
        messages.print("stopping after this step; Ctrl-C again keeps nothing")

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGINT, before)
