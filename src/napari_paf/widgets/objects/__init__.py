"""Objects made of superpixels."""

from napari_paf.widgets.objects.widget import ObjectsWidget

__all__ = ["ObjectsWidget"]
