"""The folder of a run: its manifest, its parts and its lock; a stopped run resumes from it."""
