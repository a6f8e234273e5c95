"""The first step of a run: a scene that fits the model, its grids, and the area of interest."""
