"""Output files and folders: one process at a time writes an output."""

from geoseg.files.lock import output_lock

__all__ = ["output_lock"]
