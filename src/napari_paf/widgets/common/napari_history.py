"""What napari's undo and redo of a layer would do next.

napari tells of every step that is done, but neither of undo nor of redo, so this reads
the lists that it keeps to itself: each holds steps, the next one last, and each step is
made of edits. A step is another list after undo; the edits stay the same objects. Where
a version of napari has no such lists, there is nothing to undo and to redo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

Edit = Any  # napari's own


def to_undo(layer: Labels) -> Sequence[Edit]:
    """Return the edits that undo would take back, none if there is no step."""
    return _last(layer, "_undo_history")


def to_redo(layer: Labels) -> Sequence[Edit]:
    """Return the edits that redo would make again, none if there is no step."""
    return _last(layer, "_redo_history")


def last_edit(layer: Labels) -> Edit | None:
    """Return the edit made last, which may be part of a stroke that goes on."""
    edits = _under_way(layer) or to_undo(layer)
    return edits[-1] if edits else None


def done_and_undone(layer: Labels) -> tuple[set[int], set[int]]:
    """Return the ``id`` of all edits that undo, and that redo, can still reach."""
    done = (*getattr(layer, "_undo_history", ()), _under_way(layer))
    undone = getattr(layer, "_redo_history", ())
    return _ids(done), _ids(undone)


def _last(layer: Labels, name: str) -> Sequence[Edit]:
    steps = getattr(layer, name, ())
    return steps[-1] if steps else ()


def _under_way(layer: Labels) -> Sequence[Edit]:
    return getattr(layer, "_staged_history", ())


def _ids(steps: Any) -> set[int]:
    return {id(edit) for step in steps for edit in step}
