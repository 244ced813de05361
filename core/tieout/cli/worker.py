"""`tieout worker`: one of several processes that share the work of a project on PostgreSQL."""

from __future__ import annotations

import click

from tieout.cli.shell import Shell, common


@click.command("worker")
@click.option(
    "--concurrency", type=click.IntRange(1, 12), default=4, show_default=True, help="Lanes drained at the same time."
)
@common
def worker(shell: Shell, concurrency: int) -> None:
    """Share the work of a project with other workers, until Ctrl-C or a termination signal.

    Needs PostgreSQL and `pip install 'tieout[workers]'`. Start as many as you like, on any machine. What runs when one is
    stopped comes to its end first; what a killed one left is taken up by the others.
    """
    from tieout.workspace import work as run

    drained = run(shell.folder, actor=shell.actor, concurrency=concurrency, progress=shell.say)
    shell.answer({"drained": drained}, lambda a: f"{a['drained']} lanes drained")
