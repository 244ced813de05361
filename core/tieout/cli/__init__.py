"""The command line. stdout is the answer (text, or JSON with `--json`), stderr is everything else.

Exit codes: 0 done or tied out · 1 failed · 2 usage or configuration · 3 not tied out, or plan not empty ·
4 authentication · 5 blocked · 6 partly done · 75 vendor unavailable.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `tieout` program."""
    from tieout.cli.root import cli
    from tieout.cli.shell import run_cli

    sys.exit(run_cli(cli))
