"""Hypothesis strategies for label images and the chunks that cut them."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geoseg.grid import Window


@st.composite
def label_maps(draw):
    """Small rasters of few values, with nodata, and a grid of chunks over them."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    values = st.sampled_from(draw(st.sampled_from([(0, 255), (0, 1), (0, 1, 2, 255), (7, 8, 9)])))
    labels = draw(hnp.arrays(np.uint8, (height, width), elements=values, fill=st.nothing()))
    return labels, draw(cuts(height)), draw(cuts(width))


def cuts(length):
    inner = st.sets(st.integers(1, max(length - 1, 1)), max_size=4)
    return inner.map(lambda s: [0, *sorted(x for x in s if x < length), length])


def grid_of(rows, cols):
    return [
        Window(r, c, r_end - r, c_end - c)
        for r, r_end in pairwise(rows)
        for c, c_end in pairwise(cols)
    ]


def every(step, length):
    return [*range(0, length, step), length]
