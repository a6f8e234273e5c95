"""Models in the formats of others: ONNX with an item of STAC, and files of Keras."""

from geoseg.model.exchange.convert import convert_model
from geoseg.model.exchange.export import check_export, export_model, write_export
from geoseg.model.exchange.int8 import quantise, with_side
from geoseg.model.exchange.onnx_file import input_divisor, onnx_bytes

__all__ = [
    "check_export",
    "convert_model",
    "export_model",
    "input_divisor",
    "onnx_bytes",
    "quantise",
    "with_side",
    "write_export",
]
