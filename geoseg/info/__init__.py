"""Describe a file or folder: as a report, as text, as JSON, as a picture."""

from geoseg.info.detect import Kind, find_kind
from geoseg.info.format_text import as_json, as_text
from geoseg.info.plot import plot
from geoseg.info.run import InfoReport, describe

__all__ = ["InfoReport", "Kind", "as_json", "as_text", "describe", "find_kind", "plot"]
