"""Measuring labels against ground truth."""

from napari_paf.widgets.compare.widget import CompareWidget

__all__ = ["CompareWidget"]
