"""The version of geoseg."""

__version__ = "0.3.0"
