"""Painting labels with superpixels."""

from napari_paf.widgets.painter.widget import PainterWidget

__all__ = ["PainterWidget"]
