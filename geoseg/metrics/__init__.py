"""Accuracy measures of maps: arrays in, numbers out."""

from geoseg.metrics.boundary import BoundaryCounts, count_boundaries
from geoseg.metrics.calibration import Reliability
from geoseg.metrics.confusion import Confusion
from geoseg.metrics.counts import VALUES, class_row_counts, count_pairs, pair_areas
from geoseg.metrics.estimate import Z95, Estimate, by_map_class, estimate
from geoseg.metrics.paired import sign_test, stratified_mean
from geoseg.metrics.sample_design import ALLOCATIONS, Allocation, allocate, allocate_for_error

__all__ = [
    "ALLOCATIONS",
    "VALUES",
    "Z95",
    "Allocation",
    "BoundaryCounts",
    "Confusion",
    "Estimate",
    "Reliability",
    "allocate",
    "allocate_for_error",
    "by_map_class",
    "class_row_counts",
    "count_boundaries",
    "count_pairs",
    "estimate",
    "pair_areas",
    "sign_test",
    "stratified_mean",
]
