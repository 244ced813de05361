"""Valuation: events in their effective order in, the cost of every event out. Pure: no I/O, no clock, no database.

    value(events, policy)     everything about a set of events: costs, restatements, layers, balances, refusals
    Valuer, advance           the same, incrementally, for a store that keeps the events (`History`)

The rules: `valuation-rules`; what is posted: the posting matrix, whose rows each handler names.
"""

from tieout.valuation.codes import CODES
from tieout.valuation.engine import Valuer
from tieout.valuation.group import value_group
from tieout.valuation.memory import MemoryHistory
from tieout.valuation.methods import BUILTIN, CostMethod
from tieout.valuation.opening import MEMO_ROWS
from tieout.valuation.refs import Lookup
from tieout.valuation.replay import Change, History, Result, advance
from tieout.valuation.result import (
    Holding,
    LayerHeld,
    Movement,
    Refusal,
    Valuation,
    compare,
    read_events,
    value,
)

__all__ = [
    "BUILTIN",
    "CODES",
    "MEMO_ROWS",
    "Change",
    "CostMethod",
    "History",
    "Holding",
    "LayerHeld",
    "Lookup",
    "MemoryHistory",
    "Movement",
    "Refusal",
    "Result",
    "Valuation",
    "Valuer",
    "advance",
    "compare",
    "read_events",
    "value",
    "value_group",
]
