"""Commands on grants: connect a company to a vendor, see what is connected, disconnect."""

from __future__ import annotations

import click

from tieout.cli.shell import Answer, Shell, common, table

PORT = 8973
HEADERS = ("company", "connection", "connector", "state", "refresh_until", "next")


@click.group()
def auth() -> None:
    """Connect a company to its vendors, and see what is connected."""


def _text(answer: Answer) -> str:
    return table([[row[name] for name in HEADERS] for row in answer["connections"]], HEADERS)


@auth.command("status")
@click.option("--company", default=None, metavar="CODE", help="Only this company.")
@common
def auth_status(shell: Shell, company: str | None) -> None:
    """Every connection that needs a grant, whether it has one, and until when. Never shows a token."""
    with shell.workspace() as work:
        answer = work.grants(company=company)
    shell.answer(answer, _text)


@auth.command("login")
@click.argument("connection", metavar="CONNECTION", help="Name of the connection in tieout.toml.")
@click.option("--port", default=PORT, show_default=True, help="Port on this machine the browser comes back to.")
@click.option(
    "--redirect", default=None, metavar="URL", help="Redirect address registered at the vendor, with --paste."
)
@click.option("--paste", is_flag=True, help="Paste the address the browser ends at, when it runs on another machine.")
@common
def auth_login(shell: Shell, connection: str, port: int, redirect: str | None, paste: bool) -> None:
    """Ask a person's consent at the vendor and keep the grant, sealed, in the project's database."""
    with shell.workspace() as work:
        answer = work.login(
            connection,
            port=port,
            redirect=redirect,
            paste=(lambda: click.prompt("address the browser shows now", err=True)) if paste else None,
        )
    shell.answer(answer, _text)


@auth.command("logout")
@click.argument("connection", metavar="CONNECTION", help="Name of the connection in tieout.toml.")
@common
def auth_logout(shell: Shell, connection: str) -> None:
    """Forget a connection's grant."""
    with shell.workspace() as work:
        answer = work.logout(connection)
    shell.answer(answer, _text)


@auth.command("rotate-keys")
@click.option("--company", default=None, metavar="CODE", help="Only this company.")
@common
def auth_rotate(shell: Shell, company: str | None) -> None:
    """Seal every stored grant with a new key."""
    with shell.workspace() as work:
        answer = work.rotate_keys(company=company)
    shell.answer(answer, lambda a: f"{a['sealed']} grants sealed anew")
