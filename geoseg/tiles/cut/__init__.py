"""Cut labelled scenes into training tiles: pair, select, split, write."""
