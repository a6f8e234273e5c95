"""Imported once by the process that worker processes are forked from: they share what it loads."""

import geoseg.classification.compute  # noqa: F401 - what a worker computes with
from geoseg.model import tune_malloc

# Before a thread has an arena of its own, whose memory glibc would return to the kernel.
tune_malloc()
