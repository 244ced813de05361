"""How every command behaves: options they share, how an answer is printed, how an error is told."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tieout.errors import TieoutError

if TYPE_CHECKING:
    from tieout.workspace import Workspace

Answer = Mapping[str, Any]


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used, so that `--help` loads nothing else.

    `lazy` maps a command name to (module, attribute, one line of help).
    """

    def __init__(
        self, *args: Any, lazy: Mapping[str, tuple[str, str, str]] | None = None, root: bool = False, **kw: Any
    ) -> None:
        super().__init__(*args, **kw)
        self.lazy = dict(lazy or {})
        self.root = root
        self.plugged = not root

    def load_plugins(self) -> None:
        """Let plugins add their commands; only when there are any, and only when a command is not one of ours."""
        from importlib.metadata import entry_points

        if self.plugged or not entry_points(group="tieout.plugins"):
            return
        self.plugged = True
        from tieout.workspace import add_plugin_commands

        for problem in add_plugin_commands(self):
            click.echo(problem, err=True)

    def list_commands(self, ctx: click.Context) -> list[str]:
        if self.root:
            self.load_plugins()
        return sorted({*super().list_commands(ctx), *self.lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.lazy.get(cmd_name)
        if entry is None:
            self.load_plugins()
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(entry[0]), entry[1])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self.lazy[name][2]) for name in sorted(self.lazy)]
        for name in super().list_commands(ctx):
            command = super().get_command(ctx, name)
            if command is not None and name not in self.lazy:
                rows.append((name, command.get_short_help_str()))
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        known = self.list_commands(ctx)
        if name and not name.startswith("-") and name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            ctx.fail(f"No such command '{name}'.{hint}")
        return super().resolve_command(ctx, args)


class Shell:
    """What a command needs: the project folder, the actor, and how to answer."""

    def __init__(self, folder: Path, as_json: bool, actor: str | None) -> None:
        self.folder = folder
        self.as_json = as_json
        self.actor = actor or os.environ.get("TIEOUT_ACTOR") or os.environ.get("USER") or "unknown"

    def workspace(self) -> Workspace:
        from tieout.workspace import Workspace

        return Workspace.open(self.folder, actor=self.actor, progress=self.say)

    def say(self, text: str) -> None:
        """Progress and remarks: stderr."""
        click.echo(text, err=True)

    def answer(self, answer: Answer, human: Callable[[Answer], str]) -> None:
        """Print the answer: JSON with sorted keys, or the command's own text."""
        if self.as_json:
            click.echo(json.dumps(answer, indent=2, sort_keys=False, ensure_ascii=False, default=str))
        else:
            click.echo(human(answer))


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options every command takes: --json, --project, --actor. The command receives a `Shell` first."""

    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON (schema: `tieout schema COMMAND`).")
    @click.option(
        "-C",
        "--project",
        "folder",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        envvar="TIEOUT_PROJECT",
        help="Project folder (default: here).",
    )
    @click.option("--actor", default=None, help="Who acts, for the audit trail (default: TIEOUT_ACTOR or the user).")
    def wrapped(*, as_json: bool, folder: Path, actor: str | None, **kw: Any) -> None:
        command(Shell(folder, as_json, actor), **kw)

    wrapped.__doc__ = command.__doc__
    wrapped.__name__ = command.__name__
    params = getattr(command, "__click_params__", [])
    wrapped.__click_params__ = params + getattr(wrapped, "__click_params__", [])  # type: ignore[attr-defined]
    return wrapped


def table(rows: Sequence[Sequence[Any]], headers: Sequence[str], right: Sequence[int] = ()) -> str:
    """A plain text table; columns in `right` are right-aligned. Empty: '(none)'."""
    if not rows:
        return "(none)"
    cells = [[str(cell) if cell is not None else "" for cell in row] for row in rows]
    widths = [max(len(headers[i]), *(len(row[i]) for row in cells)) for i in range(len(headers))]

    def line(row: Sequence[str]) -> str:
        parts = (
            text.rjust(w) if i in right else text.ljust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(parts).rstrip()

    return "\n".join([line(headers), "  ".join("─" * w for w in widths), *(line(row) for row in cells)])


def run_cli(cli: click.Group, args: Sequence[str] | None = None) -> int:
    """Run the program and turn every error into one clear message and a documented exit code."""
    argv = list(sys.argv[1:] if args is None else args)
    try:
        result = cli.main(args=argv, prog_name="tieout", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.Abort:
        click.echo("aborted", err=True)
        return 1
    except click.ClickException as error:
        error.show()
        return 2
    except TieoutError as error:
        _tell(error, "--json" in argv)
        return error.exit_code
    except BrokenPipeError:
        sys.stdout = None
        return 0


def _tell(error: TieoutError, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"error": error.as_dict()}, indent=2, default=str))
    click.echo(f"error {error.code}: {error.message}", err=True)
    for label, value in (("at", error.where), ("amount", error.amount), ("fix", error.fix)):
        if value:
            click.echo(f"  {label}: {value}", err=True)
    for slip in getattr(error, "slips", []) if "\n" not in error.message else []:
        click.echo(f"  {slip}", err=True)
    click.echo(f"  more: tieout explain {error.code}", err=True)
