"""Trace the outlines of the connected components of one chunk."""
