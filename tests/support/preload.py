"""Imported once by the process that others are copies of."""

import distributed.cli.dask_scheduler
import distributed.cli.dask_worker

import geoseg.classification.chunk
import geoseg.cli.classify
import geoseg.training
