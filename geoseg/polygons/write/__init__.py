"""Write polygons with their attributes: GeoPackage, GeoParquet, FlatGeobuf, GeoJSON, PMTiles."""
