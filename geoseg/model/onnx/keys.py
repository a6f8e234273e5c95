"""Keys of the metadata properties of an ONNX file that geoseg reads and writes.

All but the last five are those of QGIS Deepness, most of which GeoDeep reads too. Each text is
JSON.
https://qgis-plugin-deepness.readthedocs.io/en/latest/creators/creators_add_metadata_to_model.html
"""

MODEL_TYPE = "model_type"
SEGMENTOR = "Segmentor"
"""The model type of networks that classify pixels."""
CLASS_NAMES = "class_names"
"""Names by output channel."""
NAMES = "names"
"""The same in networks of Ultralytics; geoseg only reads it."""
RESOLUTION = "resolution"
"""Ground size of the pixels (cm)."""
TILE_SIZE = "tile_size"
"""Side of a window (px)."""
TILES_OVERLAP = "tiles_overlap"
"""Overlap of neighbouring windows (%)."""
MEAN, STD = "standardization_mean", "standardization_std"
"""Of the scene values divided by `DIVISOR`, one number for each band."""
DIVISOR = 255
"""Deepness divides the values of all scenes by it, for each dtype."""
THRESHOLD = "seg_thresh"
"""Scores below it become 0."""
SMALL_SEGMENT = "seg_small_segment"
"""Areas below it are removed."""

SCORES = "scores"
"""Of geoseg: whether the output of the network is "logits" or "probabilities"."""
FILL = "geoseg_fill"
"""Of geoseg: the scene value that pixels without data get, one number for each band."""
LEGEND = "geoseg_legend"
"""Of geoseg: the classes with value, name and colour, as in the model file."""
BANDS = "geoseg_bands"
"""Of geoseg: the names of the input bands."""
DTYPE = "geoseg_dtype"
"""Of geoseg: the dtype of the scenes that it was trained on."""
