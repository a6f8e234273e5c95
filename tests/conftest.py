"""Fixtures: a tiny model with the real architecture, and the real data where it is."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from geoseg.legend import Legend
from geoseg.model import Model, UNet, UNetSpec
from tests.clusters import DaskProcesses, dask_processes

# Examples are drawn the same way each time, and a busy machine does not fail a test.
hypothesis.settings.register_profile("geoseg", deadline=None, derandomize=True)
hypothesis.settings.load_profile("geoseg")

SHARED = Path(__file__).parents[2] / "shared"


WAITING = ("test_slurm.py", "test_faults.py", "test_cluster.py", "test_workflows.py")
"""Files that mostly wait for other processes: begun first, other tests fill the time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files for several workers, which take them as they come."""
    items.sort(key=lambda item: item.path.name not in WAITING)


def tiny_model(path: Path, *, bands: int = 3, classes: int = 4, seed: int = 1) -> Path:
    """A U-Net of two levels with windows of 32 px and random weights, saved."""
    torch.manual_seed(seed)
    network = UNet(UNetSpec(bands=bands, classes=classes, width=4, depth=2, window=32))
    with torch.no_grad():  # less of the checkerboard that untrained upsampling makes
        for up in network.up:
            up.weight.mul_(0.2)
    legend = Legend.from_names([f"class {i}" for i in range(classes)])
    names = ("red", "green", "blue", "nir", "swir1", "swir2")[:bands]
    Model(network, legend, names).save(path)
    return path


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
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
