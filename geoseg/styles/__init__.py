"""Styles and class names for QGIS and GDAL, beside or inside a file."""
