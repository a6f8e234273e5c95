"""Describe a file or folder: as a report, as text, as a picture."""

from geoseg.info.detect import Kind, find_kind
from geoseg.info.format_text import as_text
from geoseg.info.plot import plot
from geoseg.info.run import InfoReport, describe

__all__ = ["InfoReport", "Kind", "as_text", "describe", "find_kind", "plot"]
