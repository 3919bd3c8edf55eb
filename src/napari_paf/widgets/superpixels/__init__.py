"""Superpixels of the active image, at any granularity."""

from napari_paf.widgets.superpixels.widget import SuperpixelsWidget

__all__ = ["SuperpixelsWidget"]
