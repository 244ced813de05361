"""The stage of the demonstration: runs the program as anyone would type it, and tells what is going on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MARKER = ".tieout-demo"
NOT_TIED_OUT = 3
PARTLY_DONE = 6
UNAVAILABLE = 75


class Failed(Exception):  # noqa: N818 - what happened, as the demo tells it
    """A step of the demo did not do what it promises."""


class Stage:
    """Runs `tieout` commands in the project folder and tells what is going on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started = time.monotonic()
        self.step = 0
        self.consent: Callable[[], Any] = lambda: None  # how a person lets the program in again

    def title(self, text: str) -> None:
        self.step += 1
        seconds = time.monotonic() - self.started
        print(f"\n── {self.step}. {text}  ({seconds:.0f} s)", flush=True)

    def tell(self, text: str) -> None:
        print(f"   {text}", flush=True)

    def tieout(self, *words: str, show: bool = True, allowed: Sequence[int] = (0,)) -> str:
        """Run a command, show it and its answer, and return the answer."""
        print(f"$ tieout {' '.join(words)}", flush=True)
        command = [sys.executable, "-m", "tieout", *words, "-C", str(self.folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if show and done.stdout.strip():
            print(done.stdout.rstrip(), flush=True)
        if done.returncode not in allowed:
            raise Failed(f"`tieout {' '.join(words)}` ended with {done.returncode}")
        return done.stdout

    def json(self, *words: str, allowed: Sequence[int] = (0,)) -> Any:
        command = [sys.executable, "-m", "tieout", *words, "--json", "-C", str(self.folder)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode not in allowed:
            raise Failed(f"`tieout {' '.join(words)} --json` ended with {done.returncode}")
        return json.loads(done.stdout)


def fresh(folder: Path) -> None:
    """An empty folder; an earlier demo is replaced, anything else is left alone."""
    if folder.exists():
        if not (folder / MARKER).exists():
            raise Failed(f"{folder} exists and is not an earlier demo; move it away")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
