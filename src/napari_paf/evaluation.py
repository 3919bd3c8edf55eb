"""Compare superpixel methods over a folder of images with ground truth."""

from __future__ import annotations

import csv
import math
import numbers
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_paf._baselines import OF_OPENCV, Timed, baselines, run_baseline
from napari_paf._examples import Example, find_examples
from napari_paf._files import replacing
from napari_paf._progress import Progress, part
from napari_paf._validation import check_label, check_n_segments
from napari_paf.metrics import evaluate

if TYPE_CHECKING:
    import os

SMALL = 64  # pixels along a side of what methods warm up on

__all__ = ["Example", "compare", "find_examples", "summarize", "write_csv"]


def compare(
    examples: Sequence[Example],
    methods: Sequence[str] = ("default", "gradient", "slic"),
    n_segments: Iterable[int] = (100, 200, 300, 400, 500, 600),
    *,
    pixels_per_segment: int | None = None,
    background: int | None = 0,
    unlabelled: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Iterator[dict[str, Any]]:
    """Measure methods on examples, one after the other.

    Parameters
    ----------
    examples : sequence of Example
        From `find_examples`.
    methods : sequence of str
        Models of ours, by name or path, ``"gradient"``, or one of scikit-image's and
        OpenCV's: ``slic``, ``slic-zero``, ``compact-watershed``, ``felzenszwalb``,
        ``lsc``, ``seeds``. Those that cannot be asked for a count are searched to it,
        as far as they go.
    n_segments : iterable of int
        Numbers of superpixels.
    pixels_per_segment : int, optional
        Ask for one superpixel per so many pixels instead.
    background, unlabelled
        As in `napari_paf.evaluate`. Annotators who labelled nothing do not count, and
        examples without any labelled pixel are left out.
    device : str, default "auto"
        Where our models run.
    progress : callable, optional
        Called with a fraction from 0 to 1 and a description.

    Yields
    ------
    row : dict
        ``image``, ``method``, ``n_asked``, ``seconds`` and the measures of
        `napari_paf.evaluate`. Seconds are those of the image's affinities and one
        clustering, or of the one run that was kept. Every method runs once on a small
        array before, untimed, so they are without what only the first run takes:
        imports, reading a model, compiling.

    Raises
    ------
    OSError, TypeError, ValueError
        At once, if there is no such method, number or device; later, if an example
        does not hold an image and its ground truth, or has fewer pixels than asked for,
        or none of them has a labelled pixel.
    """
    # How many pixels an image has is known when it is read.
    counts = tuple(check_n_segments(n, sys.maxsize) for n in n_segments)
    if pixels_per_segment is not None:
        of = f"pixels_per_segment={pixels_per_segment!r}"
        if not isinstance(pixels_per_segment, numbers.Integral):
            raise TypeError(f"{of}: give a whole number of pixels.")
        if pixels_per_segment < 1:
            raise ValueError(f"{of}: give an integer of at least 1.")
    if isinstance(methods, str):
        raise TypeError(f"methods={methods!r}: give a sequence of names.")
    methods = tuple(methods)
    check_label("unlabelled", unlabelled)
    from napari_paf.affinity.device import choose_device

    choose_device(device)
    for method in methods:
        _check_method(method)
    return _compare(
        tuple(examples),
        methods,
        counts,
        pixels_per_segment=pixels_per_segment,
        background=background,
        unlabelled=unlabelled,
        device=device,
        report=part(progress, 0, 1),
    )


def _check_method(method: str) -> None:
    """Raise if there is no method of this name here."""
    others = ("gradient", *baselines())
    if method in others:
        return
    if method in OF_OPENCV:
        raise ValueError(
            f"methods: {method!r} needs OpenCV with its contributed modules; install "
            "opencv-contrib-python-headless."
        )
    from napari_paf.affinity.predict import resolve_model

    try:
        resolve_model(method)
    except ValueError as error:
        raise ValueError(
            f"methods: {error} Methods without a model are {', '.join(others)}."
        ) from None


def _compare(
    examples: Sequence[Example],
    methods: Sequence[str],
    counts: tuple[int, ...],
    *,
    pixels_per_segment: int | None,
    background: int | None,
    unlabelled: int | None,
    device: str,
    report: Progress,
) -> Iterator[dict[str, Any]]:
    is_warm: set[tuple[str, int]] = set()
    n_measured = 0
    for i, example in enumerate(examples):
        image, everything = example.read()
        truth = _labelled(everything, unlabelled)
        if truth is None:
            continue
        n_measured += 1
        n_pixels = math.prod(image.shape[:2])
        asked = counts
        if pixels_per_segment is not None:
            asked = (max(1, n_pixels // pixels_per_segment),)
        for j, method in enumerate(methods):
            report((i + j / len(methods)) / len(examples), f"{example.name}: {method}")
            try:
                if (method, image.ndim) not in is_warm:
                    is_warm.add((method, image.ndim))
                    _warm_up(method, image, device)
                for n, (labels, seconds) in zip(
                    asked, _run(method, image, asked, device), strict=True
                ):
                    measures = evaluate(
                        labels,
                        truth,
                        image=image,
                        channel_axis=-1 if image.ndim == 3 else None,
                        background=background,
                        unlabelled=unlabelled,
                    )
                    row = {"image": example.name, "method": method, "n_asked": n}
                    yield {**row, "seconds": seconds, **measures}
            except (TypeError, ValueError) as error:
                raise ValueError(f"{example.image_path}: {error}") from error
    if examples and not n_measured:
        raise ValueError(
            f"unlabelled={unlabelled}: no ground truth has a pixel of another label; "
            "give the label of pixels that nobody has labelled."
        )
    report(1.0, "done")


def summarize(
    rows: Iterable[dict[str, Any]], by: Sequence[str] = ("method", "n_asked")
) -> list[dict[str, Any]]:
    """Average rows over images.

    Parameters
    ----------
    rows : iterable of dict
        From `compare`.
    by : sequence of str, default ("method", "n_asked")
        What the rows of a mean have in common. ``["method"]`` is for images of several
        sizes and one superpixel per so many pixels: the numbers asked for differ.

    Returns
    -------
    means : list of dict
        One for each method and number asked for, or what `by` says, in the order of
        first appearance; ``images`` says how many there were. Measures that are NaN
        for an image leave it out.

    Examples
    --------
    >>> rows = [{"image": i, "method": "slic", "n_asked": 9, "x": i} for i in (1, 2)]
    >>> summarize(rows)
    [{'method': 'slic', 'n_asked': 9, 'images': 2, 'x': 1.5}]
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in by), []).append(row)
    means = []
    for common, group in groups.items():
        mean: dict[str, Any] = dict(zip(by, common, strict=True))
        mean["images"] = len(group)
        for key in group[0]:
            if key in (*by, "image"):
                continue
            values = [row[key] for row in group if not math.isnan(row[key])]
            mean[key] = sum(values) / len(values) if values else math.nan
        means.append(mean)
    return means


def write_csv(rows: Sequence[dict[str, Any]], path: str | os.PathLike[str]) -> None:
    """Write rows, of the same keys, as a CSV file with a header.

    Parameters
    ----------
    rows : sequence of dict
        From `compare` or `summarize`.
    path : path-like
        The file to write.
    """
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def _labelled(
    truth: NDArray[np.integer], unlabelled: int | None
) -> NDArray[np.integer] | None:
    """Return a truth without annotators who labelled nothing; None if all did."""
    if unlabelled is None:
        return truth
    maps = truth.reshape(-1, *truth.shape[-2:])
    has_some = (maps != unlabelled).any(axis=(1, 2))
    return maps[has_some] if has_some.any() else None


def _warm_up(method: str, image: NDArray[Any], device: str) -> None:
    """Run a method on a small array of the image's kind."""
    shape = (SMALL, SMALL, *image.shape[2:])
    small = np.arange(math.prod(shape)).reshape(shape).astype(image.dtype)
    for _ in _run(method, small, (SMALL,), device):
        pass


def _run(
    method: str, image: NDArray[Any], asked: Sequence[int], device: str
) -> Iterator[Timed]:
    """Yield the superpixels of one image for each number asked for."""
    if method in baselines():
        for n in asked:
            # Ours check it themselves; these would return fewer.
            check_n_segments(n, math.prod(image.shape[:2]))
            yield run_baseline(method, image, n)
        return
    from napari_paf.affinity.balance import suitable_balance
    from napari_paf.affinity.gradient import gradient_affinity
    from napari_paf.affinity.predict import predict_affinity
    from napari_paf.clustering.entropy_rate import entropy_rate_superpixels

    channel_axis = -1 if image.ndim == 3 else None
    start = time.perf_counter()
    if method == "gradient":
        affinity = gradient_affinity(image, connectivity=2, channel_axis=channel_axis)
    else:
        affinity = predict_affinity(
            image, model=method, channel_axis=channel_axis, device=device
        )
    balance = suitable_balance(affinity, method)
    predicted = time.perf_counter() - start
    for n in asked:
        start = time.perf_counter()
        labels = entropy_rate_superpixels(affinity, n, balance=balance)
        yield Timed(labels, predicted + time.perf_counter() - start)
