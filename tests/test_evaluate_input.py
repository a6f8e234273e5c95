"""Input that `evaluate` and `sample` refuse before they speak of legends, each in one sentence."""

import numpy as np
import pytest

from geoseg.errors import GeosegError
from geoseg.evaluation import EvaluateSettings, evaluate
from tests.test_evaluate import write_map


@pytest.fixture
def labels(tmp_path):
    mapped = np.zeros((20, 30), np.uint8)
    mapped[:, 15:] = 1
    return write_map(tmp_path / "map.tif", mapped)


def test_wrong_types_of_settings_are_refused(labels, tmp_path):
    with pytest.raises(GeosegError, match=r"ignore must be a list, give \['water'\]"):
        EvaluateSettings(ignore="water")
    with pytest.raises(GeosegError, match="settings is a dict, give a EvaluateSettings"):
        evaluate(labels, labels, out=tmp_path / "report", settings={"ignore": ("water",)})
    assert not (tmp_path / "report").exists()
