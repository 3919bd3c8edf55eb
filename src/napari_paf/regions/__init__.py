"""Regions: from superpixels to objects."""
