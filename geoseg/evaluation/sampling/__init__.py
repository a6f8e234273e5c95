"""Draw a stratified random sample of points from a map."""
