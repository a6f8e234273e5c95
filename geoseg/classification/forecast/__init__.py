"""What a run needs, before it begins: disk space and time, and its description (--dry-run)."""
