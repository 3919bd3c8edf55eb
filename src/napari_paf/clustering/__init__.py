"""Clustering: from pixel affinities to superpixels."""
