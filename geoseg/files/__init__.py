"""Output files and folders: whole or absent, one writer at a time."""

from geoseg.files.atomic import atomic_folder, check_output, translate_write_errors
from geoseg.files.lock import output_lock

__all__ = ["atomic_folder", "check_output", "output_lock", "translate_write_errors"]
