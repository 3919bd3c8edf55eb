"""Labels written so that undo brings back what they replace, and the record of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_paf.widgets.common.records import KEY, record_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_paf.widgets.common.layers import Index

KEPT = (
    "They are in a layer of their own: the earlier ones may have been edited by hand, "
    "and undo could not have brought them back."
)

# Undoing a run needs some 30 bytes for every pixel that changed.
_MOST_PIXELS_TO_UNDO = 2**21

_SAMPLE = 64  # pixels of a step that are looked at to tell whether it is undone


def can_undo(target: Labels, region: Index, labels: NDArray[Any]) -> bool:
    """Whether undo will bring back all that labels replace in a part of a layer."""
    view = target.data[region]
    if not view.any():
        return True  # there is nothing to bring back
    n_changed = int(np.count_nonzero(view != labels))
    return _fits_in(target, labels) and n_changed <= _MOST_PIXELS_TO_UNDO


def _fits_in(target: Labels, labels: NDArray[Any]) -> bool:
    return bool(labels.max(initial=0) <= np.iinfo(target.data.dtype).max)


def write_labels(
    target: Labels, region: Index, labels: NDArray[Any], record: dict[str, Any]
) -> None:
    """Write new labels and their record so that undo brings back both, if `can_undo`.

    Notes
    -----
    Must be called in the window's thread.
    """
    follow_undo(target)
    view = target.data[region]
    if not _fits_in(target, labels):
        data = target.data.astype(labels.dtype)
        data[region] = labels
        replace_data(target, data)
    else:
        changed = view != labels
        n_changed = int(np.count_nonzero(changed))
        if n_changed > _MOST_PIXELS_TO_UNDO:
            view[...] = labels
            replace_data(target, target.data)
        elif n_changed:
            where = iter(np.nonzero(changed))
            indices = tuple(
                np.full(n_changed, part) if isinstance(part, int) else next(where)
                for part in region
            )
            if target not in _histories:
                _histories[target] = _History(target)
            step = _Step.of(target, indices, labels[changed])
            _histories[target].note(step, target.data.shape)
            target.data_setitem(indices, labels[changed])
    target.metadata = {**target.metadata, KEY: record}


def replace_data(layer: Labels, data: NDArray[Any]) -> None:
    """Give a layer other labels, and empty its undo history, which is about the old.

    They may be its own array, written to already: then this tells napari.
    """
    history = _histories.get(layer)
    if history is not None:
        history.forget()
    # napari keeps the steps, and would write their pixels into the new labels. It drops
    # them where a layer ceases to be editable, and puts the user's tool away then.
    mode, editable = layer.mode, layer.editable
    layer.editable = True
    layer.editable = False
    layer.editable = editable
    layer.mode = mode
    layer.data = data


def follow_undo(layer: Labels) -> None:
    """Bring the record of a layer up to date with what undo and redo have done.

    That happens by itself when the layer is drawn; a hidden one is not.
    """
    history = _histories.get(layer)
    if history is not None:
        history.follow()


def records_to_come_back(layer: Labels) -> Iterable[dict[str, Any]]:
    """Return the records that undo or redo can bring back to a layer."""
    history = _histories.get(layer)
    return () if history is None else [step.record for step in history.steps]


@dataclass
class _Step:
    """A writing of labels, in a sample of the pixels that it changed.

    Attributes
    ----------
    places : tuple of ndarray of int
        Where in the layer's data.
    before, after : ndarray
        The labels there before and after the writing.
    record : dict
        That of the labels which are not in the layer: the earlier ones, or after
        undo the later ones.
    """

    places: tuple[NDArray[Any], ...]
    before: NDArray[Any]
    after: NDArray[Any]
    record: dict[str, Any]

    @classmethod
    def of(
        cls, layer: Labels, indices: tuple[NDArray[Any], ...], labels: NDArray[Any]
    ) -> _Step:
        """Return the step that will write labels at indices of a layer."""
        every = -(-labels.size // _SAMPLE)
        places = tuple(along[::every].copy() for along in indices)
        before = layer.data[places].copy()
        return cls(places, before, labels[::every].copy(), record_of(layer))


class _History:
    """The steps of a layer that napari's undo and redo go through.

    napari does not tell of undo. It draws the layer anew, and then the pixels of the
    step have all changed back, which editing by hand does not bring about. The record
    in the layer then changes places with the one in the step.
    """

    def __init__(self, layer: Labels) -> None:
        self._layer = ref(layer)
        self.steps: list[_Step] = []
        self._n_done = 0
        self._shape: tuple[int, ...] = ()
        layer.events.set_data.connect(self.follow)

    def note(self, step: _Step, shape: tuple[int, ...]) -> None:
        """Take note of a step that is about to be made, in data of a shape."""
        self._shape = shape
        self.steps[self._n_done :] = [step]  # what was undone cannot be redone
        self._n_done += 1

    def forget(self) -> None:
        """Forget all steps."""
        self.steps.clear()
        self._n_done = 0

    def follow(self, event: Any = None) -> None:
        """Bring the record up to date with what undo and redo have done."""
        layer = self._layer()
        if layer is None or not self.steps:
            return
        if layer.data.shape != self._shape:  # napari draws before it tells
            self.forget()
            return
        data, steps, before = layer.data, self.steps, self._n_done
        while self._n_done > 0 and _holds(data, steps[self._n_done - 1], "before"):
            self._n_done -= 1
            self._exchange(layer, steps[self._n_done])
        while self._n_done < len(steps) and _holds(data, steps[self._n_done], "after"):
            self._exchange(layer, steps[self._n_done])
            self._n_done += 1
        if self._n_done != before:
            news.undone.emit(layer)

    def _exchange(self, layer: Labels, step: _Step) -> None:
        if KEY not in layer.metadata:  # somebody has taken it away
            return
        record, step.record = step.record, layer.metadata[KEY]
        layer.metadata = {**layer.metadata, KEY: record}


class _News(QObject):
    """Tells of runs that were undone or redone; napari tells of neither."""

    undone = Signal(object)  # the layer


news = _News()
_histories: WeakKeyDictionary[Labels, _History] = WeakKeyDictionary()


def _holds(data: NDArray[Any], step: _Step, when: str) -> bool:
    return np.array_equal(data[step.places], getattr(step, when))
