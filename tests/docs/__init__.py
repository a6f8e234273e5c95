"""Tests of the documents: README and the pages of docs/."""
