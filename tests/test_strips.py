"""Maps made strip by strip are those made at once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from napari_paf.affinity._strips import (
    LARGEST_ON_CARD,
    LARGEST_ON_CPU,
    in_strips,
    rows_of_strip,
)


@given(st.integers(1, 60), st.integers(1, 30), st.integers(0, 6), st.data())
def test_filter_in_strips(n_rows, half, halo, data):
    """A sum over neighbours that looks as far as the halo, and no further."""
    seed = data.draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 100, (2, 1, n_rows, 3), generator=generator).double()
    kernel = torch.ones(4, 1, 2 * halo + 1, 1, dtype=torch.float64)

    def make(rows):
        assert rows.start % 2 == 0 or halo % 2
        seen.append(rows)
        return F.conv2d(image[:, :, rows], kernel, padding=(halo, 0))

    seen, fractions = [], []
    result = in_strips(
        make, n_rows, 2 * half, halo, lambda fraction, _: fractions.append(fraction)
    )
    assert torch.equal(result, F.conv2d(image, kernel, padding=(halo, 0)))
    assert len(fractions) == len(seen) == max(1, -(-n_rows // (2 * half)))
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


def test_size_of_strips():
    cpu, card = torch.device("cpu"), torch.device("cuda")
    assert rows_of_strip(1000, 2, cpu) == LARGEST_ON_CPU // 1000 // 2 * 2
    assert rows_of_strip(1000, 2, card) == LARGEST_ON_CARD // 1000 // 2 * 2
    assert rows_of_strip(10**9, 3, cpu) == 48  # not so thin that all is overlap
