"""How good a map is, as numbers: arrays in, numbers out."""

from geoseg.metrics.accuracy import Disagreement
from geoseg.metrics.boundary import BoundaryCounts, count_boundaries
from geoseg.metrics.calibration import Reliability
from geoseg.metrics.confusion import Confusion, count_pairs
from geoseg.metrics.estimate import Z95, Estimate, by_map_class, estimate
from geoseg.metrics.sample_design import ALLOCATIONS, Allocation, allocate, sample_size

__all__ = [
    "ALLOCATIONS",
    "Z95",
    "Allocation",
    "BoundaryCounts",
    "Confusion",
    "Disagreement",
    "Estimate",
    "Reliability",
    "allocate",
    "by_map_class",
    "count_boundaries",
    "count_pairs",
    "estimate",
    "sample_size",
]
