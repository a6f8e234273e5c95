"""Clean polygons: merge small areas, simplify and smooth outlines."""
