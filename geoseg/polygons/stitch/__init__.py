"""Join the outlines of neighbouring chunks to whole polygons."""
