"""Widgets: the only room that imports napari, magicgui and Qt."""
