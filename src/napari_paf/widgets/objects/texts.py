"""What the Objects widget says."""

from __future__ import annotations

HELP = "https://github.com/napari-paf/napari-paf/blob/main/docs/objects.md"
TOOLTIPS = {
    "labels_layer": "The superpixels to make objects of: layers that the Superpixels "
    "widget has made.",
    "seeds_layer": "A labels layer with a stroke of its own label on each object, and "
    "on the background. Without one, all superpixels become objects by themselves.",
    "threshold": "How strongly two neighbours must be tied to become one object, from "
    "0 to 1. Drag to the left for larger objects; the last result is redrawn at once.",
    "min_size": "Objects of fewer pixels join the neighbour that they are tied to "
    "most, such as the slivers along a boundary.",
    "run": "Make objects of the superpixels.",
    "copy": "Copy a few lines of Python that make the same objects.",
}
NO_SUPERPIXELS = "Make superpixels first, with the Superpixels widget, in this session."
NO_IMAGE = (
    "The image \u201c{}\u201d of these superpixels is not there any more: open it and "
    "make superpixels of it."
)
OTHER_SHAPE = (
    "The superpixels have another size than when they were made: make them again."
)
SEEDS_SHAPE = (
    "The seeds \u201c{}\u201d have size {}, the superpixels {}: draw seeds in a layer "
    "of the same size."
)
NOTHING_TO_COPY = "Run first: there is nothing to copy yet."
CHANGED = "Superpixels or seeds have changed: press Run to see what becomes of it."
OTHERS_CHOSEN = (
    "The last objects are of other superpixels or seeds: press Run to make objects of "
    "these."
)
CHANGED_MEANWHILE = (
    "The superpixels changed during the run; the objects are made of what they were."
)
EDITED = (
    "The objects were edited by hand, or a run was undone, so they stay as they are; "
    "Run makes new ones."
)


def outcome(n_objects: int, seconds: float | None = None) -> str:
    """Return how many objects there are, in plain words."""
    text = f"{n_objects} object{'' if n_objects == 1 else 's'}"
    if seconds is None:
        return f"{text}, from the last run."
    return f"{text} in {seconds:.{1 if seconds >= 1 else 2}f} s."


def failure(error: Exception) -> str:
    """Return what went wrong in plain words."""
    if isinstance(error, ValueError | TypeError | OSError):
        return str(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory for these objects: use a smaller part."
    return f"The objects could not be made: {error}"
