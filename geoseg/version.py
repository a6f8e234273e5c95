"""The version of geoseg."""

__version__ = "0.2.0"
