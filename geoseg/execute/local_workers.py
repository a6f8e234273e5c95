"""Worker processes of this machine that stay from one run to the next."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from geoseg.execute.dask_cluster import DaskCluster
from geoseg.execute.interrupts import StopFlag
from geoseg.execute.local_cluster import local_cluster


class LocalWorkers:
    """Worker processes: they start when a run needs them, and end when the context ends."""

    def __init__(self, preload: Sequence[str], stop: StopFlag, *, stay: bool) -> None:
        """Start no worker yet.

        Args:
            preload: see `local_cluster`.
            stop: see `local_cluster`.
            stay: whether the workers of a run stay for the next one.
        """
        self._preload, self._stop, self._stay = preload, stop, stay
        self._clusters = ExitStack()
        self._cluster: DaskCluster | None = None
        self.number = 0
        """Number of running workers."""

    def __enter__(self) -> "LocalWorkers":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @contextmanager
    def use(self, workers: int, defaults: Mapping[str, str]) -> Iterator[DaskCluster]:
        """Yield a cluster of at least ``workers`` processes; they end if the block fails.

        Args:
            workers: number of processes.
            defaults: see `local_cluster`; not used if as many workers run already.

        Raises:
            GeosegError: if the workers do not start.
            InterruptedRun: if a stop is requested meanwhile.
        """
        with ExitStack() as failed:
            failed.callback(self.end)
            if self._cluster is None or self.number < workers:
                self.end()
                self._cluster = self._clusters.enter_context(
                    local_cluster(
                        workers, preload=self._preload, defaults=defaults, stop=self._stop
                    )
                )
                self.number = workers
            yield self._cluster
            if self._stay:
                failed.pop_all()

    def end(self) -> None:
        """End the workers."""
        self._cluster, self.number = None, 0
        self._clusters.close()
