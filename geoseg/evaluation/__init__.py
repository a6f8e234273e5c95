"""The accuracy of a map: comparison with a reference, and samples to collect one."""

from geoseg.evaluation.comparison.comparison_report import ComparisonReport
from geoseg.evaluation.comparison.run import compare
from geoseg.evaluation.comparison.settings import CompareSettings
from geoseg.evaluation.report.evaluation_report import EvaluationReport
from geoseg.evaluation.run import evaluate, evaluate_matrix
from geoseg.evaluation.sampling.run import SampledStratum, SampleReport, sample
from geoseg.evaluation.sampling.settings import SampleSettings
from geoseg.evaluation.settings import EvaluateSettings

__all__ = [
    "CompareSettings",
    "ComparisonReport",
    "EvaluateSettings",
    "EvaluationReport",
    "SampleReport",
    "SampleSettings",
    "SampledStratum",
    "compare",
    "evaluate",
    "evaluate_matrix",
    "sample",
]
