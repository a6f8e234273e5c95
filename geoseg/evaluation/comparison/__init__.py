"""Two maps of one place: from-to matrix, areas of change, and which map is better."""
