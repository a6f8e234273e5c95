"""What a path is, in words, as data, and as a picture."""

from geoseg.inspection.describe import inspect
from geoseg.inspection.kind import Kind, find_kind
from geoseg.inspection.picture import plot
from geoseg.inspection.report import Report
from geoseg.inspection.text import as_json, as_text

__all__ = ["Kind", "Report", "as_json", "as_text", "find_kind", "inspect", "plot"]
