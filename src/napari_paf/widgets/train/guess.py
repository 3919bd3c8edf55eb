"""Which labels belong to which image, guessed from names and shapes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# Words that say what a layer is rather than what is in it.
_TRUTH = frozenset(
    "label labels labelled labeled mask masks gt ground truth groundtruth annotation "
    "annotations annotated seg segmentation segmented instance instances object "
    "objects scribble scribbles manual".split()
)
_IMAGE = frozenset("image images img raw channel tif tiff png jpg jpeg".split())
_NO_TRUTH = frozenset("superpixel superpixels preview prediction leak leaking".split())


@dataclass(frozen=True)
class Candidate:
    """What is known of a layer."""

    name: str
    shape: tuple[int, ...]
    derived: bool = False
    """Whether it was computed, so that it cannot be what is to be learnt."""


def guess_pairs(
    images: Sequence[Candidate], labels: Sequence[Candidate]
) -> list[tuple[int, int]]:
    """Return pairs of the numbers of an image and of the labels it goes with.

    Every layer is used once at most. Names count first; an image and labels
    that are the only ones of their shape belong together whatever their names.
    """
    truths = [
        number
        for number, label in enumerate(labels)
        if not label.derived and not _NO_TRUTH & _words(label.name)
    ]
    scored = []
    for i, image in enumerate(images):
        for j in truths:
            if labels[j].shape == image.shape:
                score = _likeness(image.name, labels[j].name)
                alone = (
                    sum(other.shape == image.shape for other in images) == 1
                    and sum(labels[k].shape == image.shape for k in truths) == 1
                )
                if score or alone:
                    scored.append((-score, i, j))
    pairs: list[tuple[int, int]] = []
    for _, i, j in sorted(scored):
        if all(i != one and j != other for one, other in pairs):
            pairs.append((i, j))
    return sorted(pairs)


def sounds_like_truth(name: str) -> bool:
    """Return whether a layer's name says that it was labelled, not computed.

    Examples
    --------
    >>> sounds_like_truth("nuclei ground truth")
    True
    >>> sounds_like_truth("nuclei superpixels")
    False
    """
    words = _words(name)
    return bool(words & _TRUTH) and not words & _NO_TRUTH


def _likeness(image: str, labels: str) -> int:
    """Return how well the names fit, 0 if they do not."""
    one = _words(image) - _IMAGE - _TRUTH
    other = _words(labels) - _IMAGE - _TRUTH
    says_truth = bool(_words(labels) & _TRUTH)
    if one == other:
        return 6 + says_truth
    # Numbers tell images of a series apart.
    if _numbers(one) != _numbers(other):
        return 0
    if one < other:
        return 4 + says_truth
    if other < one and other:
        return 2 + says_truth
    return 0


def _words(name: str) -> frozenset[str]:
    # Layers of the same name get a number in brackets from napari, which stays.
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.findall(r"[^\W\d_]+|\d+", apart.lower())
    return frozenset(word.lstrip("0") for word in words)


def _numbers(words: frozenset[str]) -> set[str]:
    return {word for word in words if not word or word.isdigit()}
