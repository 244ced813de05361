"""Posting rules of plugins (hook `tieout_posting_rules`): further flows for event types that move no units.

A rule is a pure function of one event line, asked each time the line is valued, so that the difference to what is posted
can be posted like any other. What it answers is checked: it may name any account role but those that hold stock, which
only valuation moves. A rule that fails holds its event as an exception; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tieout.errors import PluginError, Refused
from tieout.model.catalogue import EVENT_TYPES
from tieout.model.event import EventLine
from tieout.model.journal import Flow
from tieout.model.roles import CONTROL_ROLES, ROLES
from tieout.plugins import Plugins

HOOK = "tieout_posting_rules"


class PluginRules:
    """The rules in force by event type. PluginError TO9011 where one is for a type that moves units or is unknown, or
    where a plugin cannot say its rules: going on without them would post less than was agreed."""

    def __init__(self, plugins: Plugins) -> None:
        found, errors = plugins.named(HOOK)
        if errors:
            raise errors[0]
        for name, rule in found.items():
            problem = _unfit(name, rule)
            if problem:
                raise PluginError(
                    f"posting rule for {name!r}: {problem}",
                    code="TO9011",
                    where=HOOK,
                    fix="upgrade or uninstall the plugin; nothing of this company is posted until then",
                )
        self.types: Mapping[str, Callable[[EventLine], Sequence[Flow]]] = found

    def flows(self, line: EventLine) -> list[Flow]:
        """What the rule of the line's type adds. Refused TO9012 when it fails or answers what cannot be posted."""
        try:
            answer: Any = self.types[line.type](line)
        except Refused:
            raise
        except Exception as error:
            raise _refused(line, f"it raised {type(error).__name__}: {error}") from error
        if not isinstance(answer, Sequence) or isinstance(answer, (str, bytes)):
            raise _refused(line, f"it answered {type(answer).__name__}, not flows")
        for flow in answer:
            problem = _wrong(flow, line)
            if problem:
                raise _refused(line, problem)
        return list(answer)


def _unfit(name: str, rule: object) -> str:
    spec = EVENT_TYPES.get(name)
    if spec is None:
        return "the catalogue has no such event type"
    if spec.units != "none":
        return "events of this type move units or their cost; rules are for types that do neither"
    return "" if callable(rule) else f"it is {type(rule).__name__}, not a function"


def _wrong(flow: object, line: EventLine) -> str:
    if not isinstance(flow, Flow):
        return f"it answered {type(flow).__name__}, not a flow"
    if (flow.line.event_id, flow.line.line_id) != (line.event_id, line.line_id):
        return "a flow names another event line"
    for role in (flow.debit, flow.credit):
        if role not in ROLES:
            return f"there is no account role {role!r}"
        if role in CONTROL_ROLES:
            return f"role {role} holds stock; only valuation posts to it"
    if type(flow.amount) is not int or flow.amount < 0 or flow.quantity or flow.affected is not None:
        return "a flow is a whole amount in minor units, not below zero, without units"
    return "" if flow.row else "a flow names no row"


def _refused(line: EventLine, problem: str) -> Refused:
    return Refused(
        f"the posting rule of a plugin for {line.type} cannot be used: {problem}",
        code="TO9012",
        where=line.document or line.event_id,
        fix="upgrade or uninstall the plugin, then retry the exception",
    )
