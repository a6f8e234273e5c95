"""Connect to a Dask cluster."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geoseg.errors import GeosegError
from geoseg.execute.dask_cluster import DaskCluster
from geoseg.execute.interrupts import StopFlag

log = logging.getLogger("geoseg")

WORKER_TIMEOUT = 300.0
"""Seconds without a worker, or without the scheduler file, after which a run gives up."""
_CONNECT_TIMEOUT = 30.0
"""Seconds that a scheduler may take to answer."""
_WIRE_PACKAGES = ("python", "dask", "distributed", "cloudpickle", "msgpack")
"""Packages whose versions client, scheduler and workers must share."""


@contextmanager
def connect(
    address: str, *, wait: float = WORKER_TIMEOUT, stop: StopFlag | None = None
) -> Iterator[DaskCluster]:
    """Connect to a Dask scheduler and wait for its first worker.

    Certificates for tls:// come from Dask's own configuration (``distributed.comm.tls``, or
    ``DASK_DISTRIBUTED__COMM__TLS__CA_FILE`` and so on).

    Args:
        address: tcp:// or tls:// address, or the path of a scheduler file, which may appear later.
        wait: seconds without a worker after which the run is interrupted.
        stop: checked while waiting.

    Raises:
        GeosegError: if the scheduler does not answer.
        InterruptedRun: if no worker comes, or a stop is requested.
    """
    from distributed import Client

    stop = stop or StopFlag()
    try:
        # The default client is the caller's; Dask would not restore it after nested clients.
        client = Client(
            _resolve_address(address, wait, stop), timeout=min(wait, _CONNECT_TIMEOUT),
            set_as_default=False,
        )  # fmt: skip
    except (OSError, ValueError, TypeError) as error:  # TypeError: tls without a certificate
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise GeosegError(
            f"no Dask scheduler at {address} ({reason}), start one first; tls:// needs "
            "certificates in Dask's configuration"
        ) from None
    with quiet_dask(), client:
        cluster = DaskCluster(client, address, wait=wait, stop=stop)
        _compare_versions(client)
        has_dashboard = "dashboard" in client.scheduler_info()["services"]
        dashboard = f"; dashboard {client.dashboard_link}" if has_dashboard else ""
        log.info("Dask: %d at a time%s", cluster.threads, dashboard)
        yield cluster


@contextmanager
def quiet_dask() -> Iterator[None]:
    """Suppress Dask's tracebacks of broken connections.

    At level DEBUG, the handlers of geoseg take all that Dask logs here.
    """
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [(logger.level, logger.handlers[:]) for logger in loggers]
    for logger in loggers:
        if not log.isEnabledFor(logging.DEBUG):
            logger.setLevel(logging.CRITICAL)
        elif log.handlers:
            logger.handlers[:] = log.handlers
    try:
        yield
    finally:
        for logger, (level, handlers) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.handlers[:] = handlers


def _resolve_address(address: str, wait: float, stop: StopFlag) -> str:
    """Return an address itself, or the one in a scheduler file, once that is written."""
    file, start = Path(address), time.monotonic()
    if not (file.suffix == ".json" or file.is_file()):
        return address
    while not (file.is_file() and file.stat().st_size):  # it is empty at first
        stop.check(f" while waiting for the scheduler file {address}")
        if time.monotonic() - start > wait:
            raise GeosegError(f"no scheduler file {address} after {wait:.0f} s, start a scheduler")
        time.sleep(0.2)
    try:
        return str(json.loads(file.read_text())["address"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise GeosegError(
            f"{address} is no file of a Dask scheduler, give the file that `dask scheduler "
            "--scheduler-file` wrote"
        ) from None


def _compare_versions(client: Any) -> None:  # noqa: ANN401
    """Warn if client, scheduler and workers have different versions of a package."""
    report = client.get_versions()
    processes = [report["client"], report["scheduler"], *report["workers"].values()]
    for name in _WIRE_PACKAGES:
        versions = {str(process["packages"].get(name)) for process in processes if process}
        if len(versions) > 1:
            listed = " and ".join(sorted(versions))
            log.warning(
                "client, scheduler and workers have %s %s, install the same version", name, listed
            )
