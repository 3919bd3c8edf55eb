"""Training a network on labelled layers."""

from napari_paf.widgets.train.widget import TrainWidget

__all__ = ["TrainWidget"]
