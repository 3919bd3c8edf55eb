"""Compare superpixel methods over a folder of images with ground truth."""

from __future__ import annotations

import csv
import math
import numbers
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from napari_paf._baselines import OF_OPENCV, Timed, baselines, run_baseline
from napari_paf._examples import Example, find_examples
from napari_paf._files import replacing
from napari_paf._progress import Progress, silent
from napari_paf._validation import check_n_segments
from napari_paf.metrics import evaluate

if TYPE_CHECKING:
    import os

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
        ``lsc``, ``seeds``. Those that cannot be asked for a count are searched to it.
    n_segments : iterable of int
        Numbers of superpixels.
    pixels_per_segment : int, optional
        Ask for one superpixel per so many pixels instead.
    background, unlabelled
        As in `napari_paf.evaluate`.
    device : str, default "auto"
        Where our models run.
    progress : callable, optional
        Called with a fraction from 0 to 1 and a description.

    Yields
    ------
    row : dict
        ``image``, ``method``, ``n_asked``, ``seconds`` and the measures of
        `napari_paf.evaluate`. Seconds are those of the image's affinities and one
        clustering, or of the one run that was kept.

    Raises
    ------
    TypeError, ValueError
        At once, if there is no such method, number or device; later, if an example
        does not hold an image and its ground truth, or has fewer pixels than asked for.
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
        report=progress or silent,
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
    for i, example in enumerate(examples):
        try:
            image, truth = example.read()
        except (OSError, TypeError, ValueError) as error:
            raise ValueError(f"{example.image_path}: {error}") from error
        n_pixels = math.prod(image.shape[:2])
        asked = counts
        if pixels_per_segment is not None:
            asked = (max(1, n_pixels // pixels_per_segment),)
        for j, method in enumerate(methods):
            report((i + j / len(methods)) / len(examples), f"{example.name}: {method}")
            try:
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
                files = f"{example.image_path} with {example.truth_path}"
                raise ValueError(f"{files}: {error}") from error
    report(1.0, "done")


def summarize(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Average rows over images.

    Parameters
    ----------
    rows : iterable of dict
        From `compare`.

    Returns
    -------
    means : list of dict
        One for each method and number asked for, in the order of first appearance;
        ``images`` says how many there were. Measures that are NaN for an image
        leave it out.

    Examples
    --------
    >>> rows = [{"image": i, "method": "slic", "n_asked": 9, "x": i} for i in (1, 2)]
    >>> summarize(rows)
    [{'method': 'slic', 'n_asked': 9, 'images': 2, 'x': 1.5}]
    """
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["method"], row["n_asked"]), []).append(row)
    means = []
    for (method, n), group in groups.items():
        mean: dict[str, Any] = {"method": method, "n_asked": n, "images": len(group)}
        for key in group[0].keys() - {"image", "method", "n_asked"}:
            values = [row[key] for row in group if not math.isnan(row[key])]
            mean[key] = sum(values) / len(values) if values else math.nan
        order = [
            key for key in ("method", "n_asked", "images", *group[0]) if key in mean
        ]
        means.append({key: mean[key] for key in dict.fromkeys(order)})
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
