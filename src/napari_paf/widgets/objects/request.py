"""What a run of the Objects widget computes, fixed when it starts."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_paf._progress import part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_paf._progress import Progress
    from napari_paf.regions import MergeTree
    from napari_paf.widgets.common.layers import Index
    from napari_paf.widgets.common.plane import Plane

# Of the progress bar.
_SHARE_OF_PREDICTING = 0.8
_SHARE_UP_TO_MERGING = 0.95


@dataclass(frozen=True)
class Objects:
    """The objects of a plane, a volume or a stack of planes, at any threshold.

    Attributes
    ----------
    trees : list of MergeTree
        One for each plane.
    places : list of ndarray of int32
        Which region of its tree each pixel lies in.
    plane : Plane
        What they are of, without the image.
    labels : ndarray of int
        The superpixels that they were made of.
    seeded : bool
        Whether they grew from seeds, whose labels they have.
    seconds : float
        How long it took.
    """

    trees: list[MergeTree]
    places: list[NDArray[np.int32]]
    plane: Plane
    labels: NDArray[Any]
    seeded: bool
    seconds: float

    def at(self, threshold: float, min_size: int) -> tuple[NDArray[Any], int]:
        """Return the label image of the objects, and how many there are.

        Labels go on counting from plane to plane, unless they are those of seeds.
        """
        tables, n_before = [], 0
        for tree in self.trees:
            table = np.append(tree.objects(threshold, min_size), 0)
            if not self.seeded:
                table[:-1] += n_before
                n_before = int(table.max(initial=0))
            tables.append(table)
        most = max(int(table.max()) for table in tables)
        dtype = np.uint16 if most <= np.iinfo(np.uint16).max else np.uint32
        planes = [
            table.astype(dtype)[places]
            for table, places in zip(tables, self.places, strict=True)
        ]
        found = np.unique(np.concatenate(tables))
        return self._together(planes), int(np.count_nonzero(found))

    def _together(self, planes: list[NDArray[Any]]) -> NDArray[Any]:
        if not self.plane.loop:
            return planes[0]
        loop = loop_places(self.plane)
        lengths = [self.plane.stack_shape[axis] for axis in self.plane.loop]
        stack = np.stack(planes).reshape(*lengths, *self.plane.shape)
        return np.moveaxis(stack, range(len(loop)), loop)


def loop_places(plane: Plane) -> tuple[int, ...]:
    """Return where the axes of a stack's planes lie among those of its labels."""
    kept = [axis for axis, at in enumerate(plane.index) if isinstance(at, slice)]
    return tuple(kept.index(axis) for axis in plane.loop)


@dataclass(frozen=True)
class ObjectsRequest:
    """The arguments of a run; calling it does the work, in any thread.

    Attributes
    ----------
    plane : Plane
        What of the image was divided into superpixels.
    labels, seeds : array-like
        The data of the two layers, the second None for no seeds.
    labels_index, seeds_index : tuple of int or slice
        Which parts of them lie on the plane.
    record : dict
        What the run that made the superpixels noted.
    """

    plane: Plane
    labels: Any
    labels_index: Index
    seeds: Any
    seeds_index: Index
    record: dict[str, Any]

    def __call__(self, progress: Progress) -> Objects:
        """Predict the affinities again and merge the superpixels."""
        start = time.perf_counter()
        progress(0, "Loading PyTorch and Numba")
        from napari_paf.affinity.predict import predict_affinity
        from napari_paf.regions import merge_tree, region_adjacency_graph
        from napari_paf.regions.seeds import check_seeds, seeds_of_regions

        labels = self._read(self.labels, self.labels_index)
        seeds = None
        if self.seeds is not None:
            seeds = check_seeds(self._read(self.seeds, self.seeds_index), labels.shape)
        trees, places = [], []
        n_planes = self.plane.n_planes
        all_labels, all_seeds = self._by_plane(labels), self._by_plane(seeds)
        for number, plane in enumerate(self.plane.planes()):
            first = 0.02 + 0.97 * number / n_planes
            share = part(progress, first, 0.02 + 0.97 * (number + 1) / n_planes)
            regions = all_labels[number]
            pixels, channel_axis = plane.read(self.record["channels"] or "rgb")
            affinity = predict_affinity(
                pixels,
                model=self.record["model"],
                channel_axis=channel_axis,
                spacing=plane.spacing,
                device=self.record["device"],
                progress=part(share, 0, _SHARE_OF_PREDICTING),
            )
            graph = region_adjacency_graph(
                regions,
                affinity,
                progress=part(share, _SHARE_OF_PREDICTING, _SHARE_UP_TO_MERGING),
            )
            seed = None
            if seeds is not None:
                marks = all_seeds[number]
                # Planes of a stack may be without; an error where there are none.
                if n_planes == 1 or (marks[regions > 0] > 0).any():
                    seed = seeds_of_regions(graph, regions, marks)
                else:
                    regions = np.zeros_like(regions)
            tree = merge_tree(
                graph, seed, progress=part(share, _SHARE_UP_TO_MERGING, 1)
            )
            trees.append(tree)
            places.append(tree.places(regions))
        if seeds is not None and not any(tree.seed.any() for tree in trees):
            raise ValueError(
                "seeds are 0 on every region: label some pixels of each object."
            )
        return Objects(
            trees=trees,
            places=places,
            plane=replace(self.plane, data=None),
            labels=labels,
            seeded=seeds is not None,
            seconds=time.perf_counter() - start,
        )

    def _read(self, data: Any, index: Index) -> NDArray[Any]:
        """Return a copy of what lies on the plane, of one of its channels."""
        of_one = tuple(
            0 if axis == self.plane.channel_axis else at
            for axis, at in enumerate(index)
        )
        return np.array(data[of_one])

    def _by_plane(self, labels: NDArray[Any] | None) -> NDArray[Any]:
        """Return labels with the planes that are treated one by one along axis 0."""
        if labels is None:
            return np.empty(0)
        loop = loop_places(self.plane)
        stack = np.moveaxis(labels, loop, range(len(loop)))
        return stack.reshape(-1, *self.plane.shape)
