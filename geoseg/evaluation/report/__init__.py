"""The accuracy report: HTML page, JSON, CSV tables and figures."""
