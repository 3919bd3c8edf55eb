"""From superpixels to objects: which regions touch, and which belong together."""

from napari_paf.regions.graph import RegionGraph, region_adjacency_graph
from napari_paf.regions.merge import MergeTree, merge_regions, merge_tree
from napari_paf.regions.seeds import grow_seeds

__all__ = [
    "MergeTree",
    "RegionGraph",
    "grow_seeds",
    "merge_regions",
    "merge_tree",
    "region_adjacency_graph",
]
