"""Affinity: from an image to how strongly neighbouring pixels belong together."""
