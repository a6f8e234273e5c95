"""One function over many items: in threads or processes here, or on a Dask cluster elsewhere."""

from geoseg.execute.dask_client import WORKER_TIMEOUT, connect
from geoseg.execute.dask_cluster import DaskCluster, send_message
from geoseg.execute.executor import Executor
from geoseg.execute.interrupts import StopFlag, stop_at_once, stop_on_signal
from geoseg.execute.local_cluster import discard_preloaded, local_cluster, preload_workers
from geoseg.execute.local_workers import LocalWorkers
from geoseg.execute.progress import Progress, ProgressCounter
from geoseg.execute.resources import available_cpus, available_memory, total_memory
from geoseg.execute.threads import map_threads, prefetch_map

__all__ = [
    "WORKER_TIMEOUT",
    "DaskCluster",
    "Executor",
    "LocalWorkers",
    "Progress",
    "ProgressCounter",
    "StopFlag",
    "available_cpus",
    "available_memory",
    "connect",
    "discard_preloaded",
    "local_cluster",
    "map_threads",
    "prefetch_map",
    "preload_workers",
    "send_message",
    "stop_at_once",
    "stop_on_signal",
    "total_memory",
]
