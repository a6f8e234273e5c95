"""Write docs/reference/cli.md, the command reference, from the help of each command.

Run ``python docs/make_cli.py`` after a change of an option. With a path, it writes there: a test
compares the two files.
"""

import sys
from pathlib import Path

import click

from geoseg.cli import cli

WIDTH = 100
"""Characters a line of help."""


def reference() -> str:
    """Return the reference as Markdown: the help of geoseg, then of each command."""
    settings = {**cli.context_settings, "max_content_width": WIDTH, "terminal_width": WIDTH}
    group = click.Context(cli, info_name="geoseg", **settings)
    parts = [
        "# Command reference\n\nMade by `python docs/make_cli.py` from `geoseg COMMAND --help`: "
        "change the options in `geoseg/cli/`, not this file.",
        _section("geoseg", cli.get_help(group)),
    ]
    for name in cli.list_commands(group):
        command = cli.get_command(group, name)
        assert command is not None  # noqa: S101 - listed
        context = click.Context(command, parent=group, info_name=name)
        parts.append(_section(f"geoseg {name}", command.get_help(context)))
    return "\n\n".join(parts) + "\n"


def _section(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"## {title}\n\n```text\n{lines}\n```"


if __name__ == "__main__":
    out = (
        Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("reference") / "cli.md"
    )
    out.write_text(reference())
