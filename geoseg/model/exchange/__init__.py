"""Models in the formats of others: ONNX with an item of STAC, and files of Keras."""

from geoseg.model.exchange.convert import convert_model
from geoseg.model.exchange.export import export_model

__all__ = ["convert_model", "export_model"]
