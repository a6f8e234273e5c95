"""Output files and folders: whole or absent, one writer at a time."""

from geoseg.files.atomic import (
    atomic_file,
    atomic_folder,
    check_file_name,
    check_folder,
    check_inputs_stay,
    check_not_there,
    remove_temporaries,
    replace_durably,
    temporary_path,
    translate_write_errors,
    write_texts,
)
from geoseg.files.json_text import json_text
from geoseg.files.lock import output_lock
from geoseg.files.vector_paths import (
    check_not_open,
    check_vector_path,
    layer_name,
    means_other_file,
)

__all__ = [
    "atomic_file",
    "atomic_folder",
    "check_file_name",
    "check_folder",
    "check_inputs_stay",
    "check_not_open",
    "check_not_there",
    "check_vector_path",
    "json_text",
    "layer_name",
    "means_other_file",
    "output_lock",
    "remove_temporaries",
    "replace_durably",
    "temporary_path",
    "translate_write_errors",
    "write_texts",
]
