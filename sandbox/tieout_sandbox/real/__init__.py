"""Real, public data sets through the whole of tieout: a project per data set and cost method, and an independent reading
of the same files to compare with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tieout_sandbox.real.adventureworks import AdventureWorks
from tieout_sandbox.real.raw import METHODS, Facts
from tieout_sandbox.real.scms import Deliveries
from tieout_sandbox.real.uci import OnlineRetail


class Dataset(Protocol):
    """A data set read once: writes projects for it, and says what must come of them."""

    @property
    def name(self) -> str: ...

    def prepare(self, project: Path, method: str) -> None: ...

    def facts(self, method: str) -> Facts: ...


DATASETS: dict[str, Callable[[Path], Dataset]] = {
    "adventureworks": AdventureWorks,
    "uci-online-retail": OnlineRetail,
    "scms-delivery-history": Deliveries,
}


def prepare(dataset: str, data_folder: Path, project_folder: Path, method: str) -> Dataset:
    """Write a project for a data set and a cost method; the raw files are read in place, never copied."""
    found = DATASETS[dataset](data_folder.resolve())
    project_folder.mkdir(parents=True, exist_ok=True)
    found.prepare(project_folder, method)
    return found


__all__ = ["DATASETS", "METHODS", "Dataset", "Facts", "prepare"]
