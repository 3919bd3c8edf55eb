"""Superpixels from learned pixel affinities, for napari.

Public names are imported on first use, so ``import napari_paf`` loads neither
torch, numba, napari nor Qt.
"""

import lazy_loader as _lazy

from napari_paf._version import __version__ as __version__

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
