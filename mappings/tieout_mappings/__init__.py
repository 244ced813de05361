"""Ready-made mapping files (`NAME.yaml`) and account maps (`accounts_NAME.csv`: role → account), as package data."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent

__all__ = ["FOLDER"]
