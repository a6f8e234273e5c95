"""How good a map is: compared with a reference, and with a sample of one."""

from geoseg.evaluation.run import evaluate, evaluate_matrix
from geoseg.evaluation.sampling.run import SampleSettings, sample
from geoseg.evaluation.settings import EvaluateSettings

__all__ = ["EvaluateSettings", "SampleSettings", "evaluate", "evaluate_matrix", "sample"]
