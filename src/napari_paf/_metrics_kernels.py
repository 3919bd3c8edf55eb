"""Counting loops behind the quality measures.

Label images come as dense codes 0, 1, 2, ... in three dimensions (planes are a
leading axis of length 1), with -1 where a pixel is not measured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_paf.clustering._compiled import allocating_kernel

Codes = NDArray[np.int32]
Counts = NDArray[np.int64]
Overlap = tuple[Counts, Counts, Codes, Counts, int]


@allocating_kernel
def sort_pixels(codes: Codes, n_codes: int) -> tuple[Counts, Codes]:
    """Sort pixels: those of code c are ``order[starts[c]:starts[c + 1]]``."""
    flat = codes.ravel()
    starts = np.zeros(n_codes + 1, np.int64)
    for code in flat:
        if code >= 0:
            starts[code + 1] += 1
    for c in range(n_codes):
        starts[c + 1] += starts[c]
    place = starts[:-1].copy()
    order = np.empty(starts[n_codes], np.int32)
    for pixel in range(flat.size):
        code = flat[pixel]
        if code >= 0:
            order[place[code]] = pixel
            place[code] += 1
    return starts, order


@allocating_kernel
def overlap(starts: Counts, order: Codes, truth: Codes, n_truth: int) -> Overlap:
    """Walk the superpixels one by one and count what each overlaps.

    Returns, per superpixel, its measured pixels, its largest overlap with one
    segment and that segment (the lowest of equals); then the sizes of the
    segments, and the sum over all overlapping pairs of min(inside, outside).
    """
    flat = truth.ravel()
    n = starts.size - 1
    size = np.zeros(n, np.int64)
    largest = np.zeros(n, np.int64)
    partner = np.full(n, -1, np.int32)
    truth_size = np.zeros(n_truth, np.int64)
    count = np.zeros(n_truth, np.int64)
    touched = np.empty(n_truth, np.int32)
    leaks = 0
    for s in range(n):
        n_touched = 0
        for k in range(starts[s], starts[s + 1]):
            segment = flat[order[k]]
            if segment < 0:
                continue
            if count[segment] == 0:
                touched[n_touched] = segment
                n_touched += 1
            count[segment] += 1
            size[s] += 1
        for k in range(n_touched):
            segment = touched[k]
            inside = count[segment]
            leaks += min(inside, size[s] - inside)
            if inside > largest[s] or (inside == largest[s] and segment < partner[s]):
                largest[s] = inside
                partner[s] = segment
            truth_size[segment] += inside
            count[segment] = 0
    return size, largest, partner, truth_size, leaks


@allocating_kernel
def boundary(codes: Codes) -> NDArray[np.bool_]:
    """Mark pixels that differ from the next one along some axis."""
    planes, rows, columns = codes.shape
    marked = np.zeros(codes.shape, np.bool_)
    for z in range(planes):
        for y in range(rows):
            for x in range(columns):
                code = codes[z, y, x]
                if code < 0:
                    continue
                if x + 1 < columns:
                    other = codes[z, y, x + 1]
                    if other >= 0 and other != code:
                        marked[z, y, x] = True
                        continue
                if y + 1 < rows:
                    other = codes[z, y + 1, x]
                    if other >= 0 and other != code:
                        marked[z, y, x] = True
                        continue
                if z + 1 < planes:
                    other = codes[z + 1, y, x]
                    if other >= 0 and other != code:
                        marked[z, y, x] = True
    return marked


@allocating_kernel
def count_near(
    marked: NDArray[np.bool_], other: NDArray[np.bool_], tolerance: int
) -> tuple[int, int]:
    """Count pixels in `marked`, and those with one of `other` in the box around."""
    planes, rows, columns = marked.shape
    total = 0
    near = 0
    for z in range(planes):
        for y in range(rows):
            for x in range(columns):
                if not marked[z, y, x]:
                    continue
                total += 1
                found = other[z, y, x]
                for w in range(max(z - tolerance, 0), min(z + tolerance + 1, planes)):
                    if found:
                        break
                    for v in range(max(y - tolerance, 0), min(y + tolerance + 1, rows)):
                        if found:
                            break
                        for u in range(
                            max(x - tolerance, 0), min(x + tolerance + 1, columns)
                        ):
                            if other[w, v, u]:
                                found = True
                                break
                near += found
    return total, near


@allocating_kernel
def count_faces(codes: Codes, n_codes: int, n_axes: int) -> Counts:
    """Count the pixel faces between each region and all that is not in it.

    Only the last `n_axes` axes count, so that a plane has no top and bottom.
    """
    planes, rows, columns = codes.shape
    faces = np.zeros(n_codes, np.int64)
    for z in range(planes):
        for y in range(rows):
            for x in range(columns):
                code = codes[z, y, x]
                if code < 0:
                    continue
                n = 0
                n += x == 0 or codes[z, y, x - 1] != code
                n += x == columns - 1 or codes[z, y, x + 1] != code
                n += y == 0 or codes[z, y - 1, x] != code
                n += y == rows - 1 or codes[z, y + 1, x] != code
                if n_axes == 3:
                    n += z == 0 or codes[z - 1, y, x] != code
                    n += z == planes - 1 or codes[z + 1, y, x] != code
                faces[code] += n
    return faces
