"""Maps of arrays in memory, without files."""
