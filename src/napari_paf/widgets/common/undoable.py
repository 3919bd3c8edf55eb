"""Labels written so that undo brings back what they replace, and the record of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_paf.widgets.common.napari_history import done_and_undone, last_edit
from napari_paf.widgets.common.records import KEY, record_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_paf.widgets.common.layers import Index
    from napari_paf.widgets.common.napari_history import Edit

KEPT = (
    "They are in a layer of their own: the earlier ones may have been edited by hand, "
    "and undo could not have brought them back."
)

# Undoing a run needs some 30 bytes for every pixel that changed.
_MOST_PIXELS_TO_UNDO = 2**21


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
            target.data_setitem(indices, labels[changed])
            if target not in _histories:
                _histories[target] = _History(target)
            _histories[target].note(target)
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
    """A writing of labels.

    Attributes
    ----------
    edit : object
        What napari keeps of it.
    record : dict
        That of the labels which are not in the layer: the earlier ones, or after
        undo the later ones.
    """

    edit: Edit
    record: dict[str, Any]


class _History:
    """The steps of a layer that napari's undo and redo go through.

    napari does not tell of undo, but draws the layer anew. Where the step is among
    those to redo by then, its record and the one in the layer change places.
    """

    def __init__(self, layer: Labels) -> None:
        self._layer = ref(layer)
        self._done: list[_Step] = []
        self._undone: list[_Step] = []
        self._shape: tuple[int, ...] = ()
        layer.events.set_data.connect(self.follow)

    @property
    def steps(self) -> list[_Step]:
        """All that undo or redo can reach, in the order in which they were made."""
        return [*self._done, *reversed(self._undone)]

    def note(self, layer: Labels) -> None:
        """Take note of what was just written, before the layer has its record."""
        self._shape = layer.data.shape
        self._done.append(_Step(last_edit(layer), record_of(layer)))
        self._undone.clear()

    def forget(self) -> None:
        """Forget all steps."""
        self._done.clear()
        self._undone.clear()

    def follow(self, event: Any = None) -> None:
        """Bring the record up to date with what undo and redo have done."""
        layer = self._layer()
        if layer is None or not (self._done or self._undone):
            return
        if layer.data.shape != self._shape:  # napari draws before it tells
            self.forget()
            return
        done, undone = done_and_undone(layer)
        moved = 0
        while self._done and id(self._done[-1].edit) in undone:
            self._undone.append(self._exchanged(layer, self._done.pop()))
            moved += 1
        while self._undone and id(self._undone[-1].edit) in done:
            self._done.append(self._exchanged(layer, self._undone.pop()))
            moved += 1
        # What napari has dropped stays as it is.
        self._done = [step for step in self._done if id(step.edit) in done]
        self._undone = [step for step in self._undone if id(step.edit) in undone]
        if moved:
            news.undone.emit(layer)

    def _exchanged(self, layer: Labels, step: _Step) -> _Step:
        if KEY in layer.metadata:  # or somebody has taken it away
            record, step.record = step.record, layer.metadata[KEY]
            layer.metadata = {**layer.metadata, KEY: record}
        return step


class _News(QObject):
    """Tells of runs that were undone or redone; napari tells of neither."""

    undone = Signal(object)  # the layer


news = _News()
_histories: WeakKeyDictionary[Labels, _History] = WeakKeyDictionary()
