"""The sandbox at the plugin door: `tieout sandbox …`."""

from __future__ import annotations

import click

from tieout import hookimpl


@hookimpl
def tieout_commands(cli: click.Group) -> None:
    from tieout_sandbox.commands import sandbox

    cli.add_command(sandbox)
