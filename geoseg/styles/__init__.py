"""Styles and class names that QGIS and GDAL read beside or inside a file."""
