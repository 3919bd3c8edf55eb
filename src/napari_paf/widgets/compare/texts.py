"""What the Compare with ground truth widget says."""

from __future__ import annotations

HELP = "https://github.com/napari-paf/napari-paf/blob/main/docs/compare.md"
TOOLTIPS = {
    "labels_layer": "The superpixels to measure: tick one or more labels layers. "
    "Pixels with 0 belong to no superpixel and are left out.",
    "truth_layer": "What is right: tick a labels layer, or one for each annotator; "
    "measures are then means over them.",
    "unlabelled": "What 0 means in the ground truth. Background: a region like any "
    "other. Not labelled: nobody has looked there, so it is left out.",
    "image_layer": "The image that the explained variation is about; the other "
    "measures do not need it.",
    "extent": "Measure the plane that the viewer shows, the whole volume, or every "
    "plane, and take the mean.",
    "tolerance": "How far a boundary may be from the true one, in pixels, to count "
    "as found.",
    "leaks": "Show the pixels that lie outside the true segment which their "
    "superpixel overlaps most, in red, as a layer.",
    "measure": "Which measure the curve shows.",
    "curve": "Measure every size of superpixels at once, from the hierarchy that "
    "was computed with them.",
    "table": "One row for each labels layer. Point at a heading to read what it means.",
    "copy": "Copy the table and the curves, to be pasted into a spreadsheet.",
    "python": "Copy a few lines of Python that measure the same again.",
    "csv": "Write the table and the curves to a CSV file.",
}
# Key of the measure, heading, name, what it says.
MEASURES = [
    (
        "n_segments",
        "n",
        "Number of superpixels",
        "How many superpixels there are where it was measured.",
    ),
    (
        "achievable_segmentation_accuracy",
        "ASA",
        "Achievable segmentation accuracy",
        "The share of pixels that is right if every superpixel goes to the true "
        "segment it overlaps most. Higher is better.",
    ),
    (
        "boundary_recall",
        "Rec",
        "Boundary recall",
        "The share of the true boundary that has a superpixel boundary near. Higher "
        "is better.",
    ),
    (
        "boundary_precision",
        "Prec",
        "Boundary precision",
        "The share of the superpixels' boundary that has a true boundary near. "
        "Higher is better; it falls with the number of superpixels.",
    ),
    (
        "undersegmentation_error",
        "UE",
        "Undersegmentation error",
        "How much superpixels leak across true boundaries. Lower is better.",
    ),
    (
        "compactness",
        "Comp",
        "Compactness",
        "How round superpixels are. Higher is rounder; needs no ground truth.",
    ),
    (
        "explained_variation",
        "EV",
        "Explained variation",
        "The share of the image's variance that the means of superpixels explain. "
        "Higher is better; choose an image to get it.",
    ),
]
NO_LABELS = "Open or make superpixels: there is no labels layer yet."
NO_CHOICE = "Tick the labels to measure."
NO_TRUTH = "Tick the ground truth: a labels layer with the true segments."
NO_HIERARCHY = (
    "The curve needs the hierarchy of superpixels: tick a layer that the Superpixels "
    "widget has made since napari was started."
)
OTHER_PLANES = (
    "The hierarchy is known only of the plane that was divided last: measure that "
    "plane, or divide all planes in one run."
)
OTHER_QUESTION = "The figures are not of what is chosen now; press Compare again."
NOTHING_YET = "Nothing is measured yet; press Compare."
EMPTY_PLOT = "The curve of a measure over the number of superpixels appears here."
CHANGED = "\u201c{}\u201d has changed since; press Compare again."
CHANGED_MEANWHILE = (
    "\u201c{}\u201d changed during the run; the figures may be of it as it was."
)
NOT_FINITE = (
    "\u201c{}\u201d has NaN or infinite values there, so no explained variation."
)


def both(name: str) -> str:
    """Return why a layer cannot be measured against itself."""
    return f"\u201c{name}\u201d is ticked as labels and as ground truth; choose one."


def other_size(what: str, name: str, shape: tuple[int, ...], labels: str) -> str:
    """Return that two layers do not cover the same pixels."""
    size = " \u00d7 ".join(map(str, shape))
    return (
        f"The {what} \u201c{name}\u201d ({size}) does not have the pixels of "
        f"\u201c{labels}\u201d; choose layers of the same size."
    )


def plane_by_plane(name: str) -> str:
    """Return that a layer has no superpixels of a volume."""
    return (
        f"\u201c{name}\u201d was divided plane by plane: measure planes, not a volume."
    )


def too_large(name: str, shape: tuple[int, ...]) -> str:
    """Return that a layer cannot be measured at once."""
    size = " \u00d7 ".join(map(str, shape))
    return (
        f"\u201c{name}\u201d has too many pixels to be measured at once ({size}): "
        "choose superpixels of a part, which may lie on larger ground truth."
    )


def outcome(n_layers: int, seconds: float) -> str:
    """Return what came of a run in plain words."""
    noun = "layer" if n_layers == 1 else "layers"
    return f"{n_layers} {noun} measured in {seconds:.{1 if seconds >= 1 else 2}f} s."


def failure(error: Exception) -> str:
    """Return what went wrong in plain words."""
    if isinstance(error, ValueError | TypeError | OSError):
        return str(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory; measure a plane instead of the whole."
    return f"The layers could not be compared: {error}"
