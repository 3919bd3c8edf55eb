"""What the Train affinity model widget says."""

from __future__ import annotations

NO_IMAGE = "Open an image, or add an image layer."
NO_LABELS = (
    "Choose the labels of an image: a labels layer in which its objects are painted "
    "with a number each."
)
HELP = "https://github.com/napari-paf/napari-paf/blob/main/docs/training.md"
TOOLTIPS = {
    "image_layer": "An image to learn from.",
    "labels_layer": "The labels of this image: a number for each object, of the same "
    "size as the image. Of a stack, the planes with labels are used.",
    "add_pair": "Learn from another image with labels, too.",
    "remove_pair": "Do not learn from this pair.",
    "guess": "Take the pairs that the names of the layers suggest, such as "
    "\u201ccells\u201d and \u201ccells labels\u201d.",
    "unlabelled": "Background: pixels with 0 are labelled, they lie outside all "
    "objects. Not labelled: nobody has looked at them, and nothing is learnt there.",
    "duration": "How long to train. The longer, the better, but less and less so; "
    "Stop ends it sooner and keeps the best model.",
    "unit": "Minutes; or epochs: how often each pixel is looked at, on average; or "
    "steps: batches of small parts of the images.",
    "name": "The name of the new model, under which the other widgets offer it.",
    "init": "The model that is trained further. A new network knows nothing yet: it "
    "needs more labels and more time.",
    "loss": "What is learnt: where boundaries are, each pixel alike; or with more "
    "weight where superpixels would cross a boundary.",
    "n_segments": "How many superpixels the preview has.",
    "preview": "Show superpixels of the first image while training, in a layer that "
    "follows the best model so far.",
    "keep_preview": "Keep the layer of the preview at the end.",
    "device": "Where the network is trained. Automatic takes a graphics card if there "
    "is one that PyTorch can use.",
    "seed": "Start of the random numbers. On the processor, the same number of steps "
    "with the same start gives the same model.",
    "copy": "Copy the lines of Python that train in the same way.",
    "own": "The models that you have trained or imported.",
    "rename": "Give this model another name.",
    "export": "Write this model to a file, to be given away.",
    "import": "Keep a model from a file.",
    "delete": "Delete this model for good.",
}
ZERO = [("Background", None), ("Not labelled", 0)]
UNITS = [("minutes", "minutes"), ("epochs", "epochs"), ("steps", "steps")]
DURATIONS = {"minutes": 5.0, "epochs": 100.0, "steps": 500.0}
LOSSES = [
    ("Boundaries", "cross-entropy"),
    ("What superpixels get wrong", "segmentation-aware"),
    ("SEAL, as published", "seal"),
]
PREVIEW_FAILED = "The preview could not be made, the training goes on: {}"
NO_PREVIEW = "There is a choice only with Preview."
NOTHING_LEARNT = (
    "Stopped before the first step: nothing is learnt, so no model is kept."
)
UNSAVED = (
    "It is chosen under Start from until napari is closed: make room, and train it for "
    "a step more to save it."
)
NO_MEMORY = (
    "There is not enough memory on the graphics card for training; choose the "
    "processor under Device, or close other programs that use the card."
)
NO_BOUNDARY = (
    "No two neighbouring pixels have different labels, so nothing says where "
    "boundaries are; paint both sides of some boundaries, or let 0 mean background."
)


def failure(error: Exception) -> str:
    """Return what went wrong in plain words."""
    if isinstance(error, ValueError | TypeError | OSError):
        return str(error)
    if isinstance(error, MemoryError):
        return str(error) or "There is not enough memory; use fewer or smaller images."
    return f"The training failed: {error}"


def span(seconds: float) -> str:
    """Return a length of time in words, roughly."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def percent(share: float | None) -> str:
    """Return a share as it is shown."""
    return "" if share is None else f"{100 * share:.1f}\u00a0%"
