"""One function over many items: here, on a Dask cluster, or one share of them."""

from geoseg.execute.ahead import ahead
from geoseg.execute.cluster import Cluster
from geoseg.execute.connect import WAIT, connect, run_on_cluster
from geoseg.execute.here import run_here
from geoseg.execute.limits import cores, free_memory
from geoseg.execute.progress import Progress, ProgressCounter
from geoseg.execute.shares import shard
from geoseg.execute.signals import Stop, stop_on_signal

__all__ = [
    "WAIT",
    "Cluster",
    "Progress",
    "ProgressCounter",
    "Stop",
    "ahead",
    "connect",
    "cores",
    "free_memory",
    "run_here",
    "run_on_cluster",
    "shard",
    "stop_on_signal",
]
