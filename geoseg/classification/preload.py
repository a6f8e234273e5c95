"""Imported once by the process that worker processes are forked from: they share what it loads."""

import logging

import geoseg.classification.compute  # noqa: F401 - what a worker computes with
from geoseg.model import tune_malloc

# The process that started the workers receives their messages, and decides what to print.
logging.getLogger("geoseg").setLevel(logging.DEBUG)
# Before a thread has an arena of its own, whose memory glibc would return to the kernel.
tune_malloc()
