"""One process with tieout loaded that forks for each command of the pages: the same program without its start-up.

A job is a JSON line on stdin (`args`, `cwd`, `environment`, `out`, `err`); the answer is the exit code on stdout.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, NoReturn

from tieout.cli.root import cli
from tieout.cli.shell import run_cli
from tieout.plugins import Plugins

LOADED = (
    "tieout.cli.ask",
    "tieout.cli.care",
    "tieout.cli.flow",
    "tieout.cli.project",
    "tieout.config",
    "tieout.mapping",
    "tieout.store.store",
    "tieout.valuation",
    "tieout.workspace",
)


def serve() -> None:
    for name in LOADED:
        importlib.import_module(name)
    Plugins.load()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(job: dict[str, Any]) -> NoReturn:
    """In the child: take on the job's folder, environment and outputs, and leave with the command's exit code."""
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.path[:0] = [os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(":") if path]  # noqa: PTH100
    for number, file in ((1, job["out"]), (2, job["err"])):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    code = 1
    try:
        code = run_cli(cli, job["args"])
    except BaseException:  # noqa: BLE001 - told as the interpreter would; a fork must not go on in the loop above
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
