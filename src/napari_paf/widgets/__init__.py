"""Widgets: the only room that imports napari, magicgui and Qt."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "superpixels": ["SuperpixelsWidget"],
        "painter": ["PainterWidget"],
        "train": ["TrainWidget"],
        "compare": ["CompareWidget"],
    },
)
