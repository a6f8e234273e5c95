"""What a path is, in words, as data, and as a picture."""

from geoseg.info.detect import Kind, find_kind
from geoseg.info.format_text import as_json, as_text
from geoseg.info.plot import plot
from geoseg.info.report import Report
from geoseg.info.run import describe

__all__ = ["Kind", "Report", "as_json", "as_text", "describe", "find_kind", "plot"]
