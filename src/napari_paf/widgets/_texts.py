"""What the Superpixels widget says."""

from __future__ import annotations

NO_IMAGE = "Open an image, or add an image layer."
TOOLTIPS = {
    "image_layer": "The image to divide into superpixels. It follows the layer that "
    "is active in the layer list until you choose one here.",
    "channels": "Which colours of an RGB image to use.",
    "n_segments": "How many superpixels you get: exactly this many.",
    "model": "What predicts which neighbouring pixels belong together: a trained "
    "network, or plain differences in colour.",
    "mask_layer": "Superpixels are made only where this labels layer is not 0.",
    "balance": "How much equal sizes matter. 0: only the image counts; larger: "
    "superpixels of more even size.",
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
CONNECTIVITY = [("4: common edge", 1), ("8: edge or corner", 2)]
DEVICES = {
    "auto": "Automatic",
    "cpu": "Processor (CPU)",
    "cuda": "Graphics card (CUDA)",
    "mps": "Apple graphics (MPS)",
}


def outcome(n_segments: int, seconds: float) -> str:
    """Return what came of a run in plain words."""
    digits = 1 if seconds >= 1 else 2
    noun = "superpixel" if n_segments == 1 else "superpixels"
    return f"{n_segments} {noun} in {seconds:.{digits}f} s."


def failure(error: Exception) -> str:
    """Return what went wrong in plain words."""
    if isinstance(error, ValueError | TypeError | OSError):
        return str(error)
    if isinstance(error, MemoryError):
        return (
            "There is not enough memory for superpixels of this image; use a "
            "smaller one."
        )
    return f"The superpixels could not be computed: {error}"
