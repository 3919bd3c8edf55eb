"""What the Superpixels widget says."""

from __future__ import annotations

import sys

NO_IMAGE = "Open an image, or add an image layer."
TOOLTIPS = {
    "image_layer": "The image to divide into superpixels. It follows the layer that "
    "is active in the layer list until you choose one here.",
    "channels": "Which colours or channels of the image to use.",
    "channel_layers": "Other images of the same size and place: tick those that are "
    "further channels of this one, such as stains. An edge in any of them counts.",
    "extent": "Divide the plane that the viewer shows, the whole volume, or all planes "
    "of the stack, one after the other.",
    "slider": "Drag to make superpixels finer or coarser; the last result is redrawn "
    "at once.",
    "n_segments": "How many superpixels you get: exactly this many.",
    "size": "How large superpixels are on average; another way to set their number.",
    "unit": "The unit of the size: pixels of the image, or what its scale says.",
    "region": "Divide the whole image, only what the window shows of it, or only what "
    "lies inside the shapes of a layer.",
    "level": "Which resolution of a multiscale image to use.",
    "axes": "What the axes of the image are: t (time or anything else), c (channels), "
    "z, y, x. Correct it if the guess is wrong.",
    "unique": "Go on counting from plane to plane, so that no label appears in two "
    "planes.",
    "load": "Set everything here to what the active superpixel layer was made with.",
    "copy": "Copy a few lines of Python that compute the same superpixels.",
    "model": "What predicts which neighbouring pixels belong together: a trained "
    "network, or plain differences in colour.",
    "mask_layer": "Superpixels are made only where this labels layer is not 0.",
    "balance": "How much equal sizes matter. 0: only the image counts; larger: "
    "superpixels of more even size. Automatic: what suits the image, less where "
    "its boundaries are certain. Delete the number to have that again.",
    "connectivity": "Which pixels are neighbours: those with a common edge, or also "
    "those with only a common corner.",
    "device": "Where the network runs. Automatic takes a graphics card if there is "
    "one that PyTorch can use.",
    "outlines": "Show the superpixels as lines over the image instead of filled.",
    "keep_previous": "Add a new layer at every run instead of updating the last "
    "result of this image.",
}
CHANNELS = [
    ("All colours", "rgb"),
    ("Grey (brightness)", "grey"),
    ("Red", "red"),
    ("Green", "green"),
    ("Blue", "blue"),
]
OTHER_CHANNELS = [("Channel in view", "view"), ("All channels", "all")]
EXTENTS = {
    "plane": "Plane in view",
    "volume": "Whole volume (3-D)",
    "planes": "Every plane, one by one",
}
WHOLE = "Whole image"
IN_VIEW = ("What is in view", "view")
CONNECTIVITY = {
    2: [("4: common edge", 1), ("8: edge or corner", 2)],
    3: [("6: common face", 1), ("18: face or edge", 2), ("26: face to corner", 3)],
}
NOT_RECORDED = "Choose a labels layer that the Superpixels widget made."
NEEDS_RUN = (
    "Other settings, or the image, have changed since this was made: press Run to see "
    "them."
)
UNDONE = "The run of {} superpixels again, after undo or redo."
SETTINGS_STAY = (
    "Run would use the settings above; Load from layer brings back those of this run."
)
TOO_LARGE = (
    "{} pixels are too many at once: choose a part or a lower resolution under "
    "More settings."
)
NO_SHAPE = "Draw a rectangle, an ellipse or a polygon, or choose another part."
NO_SHAPE_HERE = (
    "The shapes of \u201c{}\u201d lie on other planes: draw one on this plane, or "
    "choose another part."
)
NO_IMAGE_FILE = (
    "napari-paf replay will not find the image by itself: it reads files, no folders "
    "such as zarr's. Name a TIFF of it with --image; Copy as Python needs no file."
)
NOTHING_TO_COPY = "Run first: there is nothing to copy yet."
HELP = "https://github.com/napari-paf/napari-paf/blob/main/docs/superpixels_widget.md"
DEVICES = {
    "auto": "Automatic",
    "cpu": "Processor (CPU)",
    "cuda": "Graphics card (CUDA)",
    "mps": "Apple graphics (MPS)",
}


def outcome(n_segments: int, seconds: float, n_planes: int = 1) -> str:
    """Return what came of a run in plain words."""
    digits = 1 if seconds >= 1 else 2
    noun = "superpixel" if n_segments == 1 else "superpixels"
    where = f" in each of {n_planes} planes" if n_planes > 1 else ""
    return f"{n_segments} {noun}{where} in {seconds:.{digits}f} s."


def drawn(n_segments: int) -> str:
    """Return what is shown now that the number has changed."""
    return (
        f"{n_segments} superpixel{'' if n_segments == 1 else 's'}, from the last run."
    )


def failure(error: Exception) -> str:
    """Return what went wrong in plain words."""
    if isinstance(error, ValueError | TypeError | OSError):
        return str(error)
    if _is_out_of_memory(error):
        return (
            "There is not enough memory for superpixels of this image; use a "
            "smaller one, or the processor under Device."
        )
    return f"The superpixels could not be computed: {error}"


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError):
        return True
    if "torch" not in sys.modules:
        return False

    from napari_paf.affinity.device import is_out_of_memory

    return is_out_of_memory(error)
