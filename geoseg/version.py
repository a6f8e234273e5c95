"""The version of geoseg."""

__version__ = "0.4.0"
