"""Fixtures: a tiny model with the real architecture, and real data or small data like it.

Torch and GeoPandas are imported in the fixtures that use them: with several test processes, the
process that starts the others reads this file first, and needs neither.
"""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.support.clusters import DaskProcesses, dask_processes
from tests.support.paths import SHARED

if TYPE_CHECKING:
    from tests.support.realdata import Data

# Examples are drawn the same way each time, and a busy machine does not fail a test.
hypothesis.settings.register_profile("geoseg", deadline=None, derandomize=True)
hypothesis.settings.load_profile("geoseg")

# Tests that a shell starts in the background ignore Ctrl-C, and so would the commands that they
# start. Here and not in the package, which workers of Dask import in a thread.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


STARTED_FIRST = (
    "test_slurm.py", "test_faults.py", "test_dask_cluster.py", "test_workflows.py", "test_qgis.py",
)  # fmt: skip
"""Files that mostly wait for other processes: they start first, and other tests fill the time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files for several workers, which take them as they come."""
    items.sort(key=lambda item: item.path.name not in STARTED_FIRST)


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    from tests.support.models import tiny_model

    return tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture
def dask(tmp_path) -> Iterator[DaskProcesses]:
    """A Dask scheduler in a process of its own; workers are added by the test."""
    with dask_processes(tmp_path / "dask") as processes:
        yield processes


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and references, which is not part of the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"real data is not at {SHARED.name}/ beside the checkout")
    return SHARED


@pytest.fixture(scope="session", params=["made", "real"])
def data(request, tmp_path_factory) -> "Data":
    """Small data made by the tests, and then the real data where it is."""
    from tests.support.realdata import Data

    if request.param == "made":
        return Data(tmp_path_factory.mktemp("data"), real=False)
    return Data(request.getfixturevalue("shared") / "data", real=True)
