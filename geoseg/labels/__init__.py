"""Class rasters and label vectors: the class of each pixel of a scene."""
