"""Errors as one sentence and an exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from geoseg.errors import GeosegError


@contextmanager
def print_errors() -> Iterator[None]:
    """Print a deliberate error as ``geoseg: <sentence>`` on stderr and exit with its code."""
    try:
        yield
    except GeosegError as error:
        click.echo(f"geoseg: {error}", err=True)
        sys.exit(error.exit_code)
