"""Reading field specs and conditions."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from tieout.mapping.conversions import number_of, text_of
from tieout.mapping.fields import CASTS, FITS, const_kind
from tieout.mapping.patterns import PatternError, searcher
from tieout.mapping.reader import Reader
from tieout.mapping.spec import Condition, Identity, Lookup, Value
from tieout.mapping.tree import Node
from tieout.model.catalogue import EVENT_TYPES

VERBS: Final = ("from", "const", "cases", "convert", "lookup", "default", "required", "event")
SOURCES: Final = ("from", "const", "cases", "event")
OPERATORS: Final = ("eq", "ne", "in", "gt", "ge", "lt", "le", "exists", "matches")
_TAIL: Final = ("convert", "lookup", "default")
_ORDER: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "gt": lambda left, right: bool(left > right),
    "ge": lambda left, right: bool(left >= right),
    "lt": lambda left, right: bool(left < right),
    "le": lambda left, right: bool(left <= right),
}


def read_value(reader: Reader, node: Node, what: str, kind: str | None = None, *, case: bool = False) -> Value:
    """A field spec; `kind` is the kind of the field it fills, None where anything goes."""
    if not isinstance(node.value, dict):
        value = Value(node)
        _paths(reader, node, value)
        _fits(reader, node, value, what, kind)
        return value
    verbs = (*(verb for verb in VERBS if verb != "required"), "when") if case else VERBS
    entries = reader.keys(node, f"field spec of {what}", verbs)
    value = Value(node)
    _source(reader, node, entries, value, what=what, kind=kind)
    read_steps(reader, entries, value)
    if "default" in entries:
        value.default = reader.constant(entries["default"], "default")
        _constant_fits(reader, entries["default"], value.default, what, kind)
    if "required" in entries:
        if not isinstance(entries["required"].value, bool):
            reader.slip(entries["required"], "TO2005", "required is true or false")
        value.required = entries["required"].value is True
    if not value.cases and value.identity is None:
        _fits(reader, node, value, what, kind)
    return value


def _source(reader: Reader, node: Node, entries: dict[str, Node], value: Value, *, what: str, kind: str | None) -> None:
    given = [verb for verb in SOURCES if verb in entries]
    if len(given) != 1 and not (not given and "default" in entries):
        problem = "has none of" if not given else "has more than one of"
        reader.slip(node, "TO2003" if given else "TO2004", f"field spec of {what} {problem} {', '.join(SOURCES)}")
    if "from" in entries:
        _paths(reader, entries["from"], value)
    if "const" in entries:
        value.const = reader.constant(entries["const"], "const")
        value.kind = const_kind(value.const)
        if not {"convert", "lookup"} & entries.keys():
            _constant_fits(reader, entries["const"], value.const, what, kind)
    if "cases" in entries:
        value.cases = _cases(
            reader, entries["cases"], what, kind if not {"convert", "lookup"} & entries.keys() else None
        )
    if "event" in entries:
        if what != "ref.event":
            reader.slip(
                entries["event"], "TO2003", "`event` fills only ref.event", "it is the identity of another event"
            )
        value.identity = _identity(reader, entries["event"])


def _paths(reader: Reader, node: Node, value: Value) -> None:
    nodes = node.value if isinstance(node.value, list) else [node]
    if not nodes:
        reader.slip(node, "TO2005", "from is a path or a list of paths")
    kinds: list[str] = []
    paths = [reader.path(child, kind_of=kinds) for child in nodes[:20]]
    value.paths = tuple(path for path in paths if path is not None)
    value.kind = kinds[0] if len(set(kinds)) == 1 and len(kinds) == len(nodes) else "any"


def _cases(reader: Reader, node: Node, what: str, kind: str | None) -> tuple[tuple[Condition | None, Value], ...]:
    if not isinstance(node.value, list) or not node.value:
        reader.slip(node, "TO2005", "cases is a list of field specs with `when`")
        return ()
    out: list[tuple[Condition | None, Value]] = []
    seen: list[Any] = []
    closed = False
    for child in node.value[:200]:
        value = read_value(reader, child, what, kind, case=True)
        when = child.value.get("when") if isinstance(child.value, dict) else None
        if closed:
            reader.slip(child, "TO2012", f"this case of {what} is never reached", "a case above it has no `when`")
        elif when is None:
            closed = True
        elif when.plain() in seen:
            reader.slip(child, "TO2012", f"this case of {what} is never reached", "a case above it has the same `when`")
        if when is not None:
            seen.append(when.plain())
        out.append((read_condition(reader, when) if when is not None else None, value))
    return tuple(out)


def read_steps(reader: Reader, entries: dict[str, Node], value: Value) -> None:
    """`convert` and `lookup` of a field spec or condition."""
    if "convert" in entries:
        node = entries["convert"]
        for child in node.value if isinstance(node.value, list) else [node]:
            _converter(reader, child, value)
    if "lookup" in entries:
        node = entries["lookup"]
        name = reader.text(node, "lookup")
        table = reader.lookups.get(name)
        if name and table is None:
            why = "tables are declared under `lookups`"
            reader.slip(node, "TO2015", f"no lookup table {name!r}", why, wrong=name, names=reader.lookups)
            table = Lookup(name, {})
        value.lookup = table
        value.kind = "any"


def _converter(reader: Reader, node: Node, value: Value) -> None:
    parameter: Any = None
    if isinstance(node.value, dict) and len(node.value) == 1:
        ((name, inner),) = node.value.items()
        parameter = inner.plain()
    elif isinstance(node.value, str):
        name = node.value
    else:
        reader.slip(node, "TO2010", "a converter is a name, or a name with its parameter: {date: '%d/%m/%Y'}")
        return
    converter = reader.converters.get(name)
    if converter is None:
        why = "built in, or added by a plugin"
        reader.slip(node, "TO2010", f"no converter {name!r}", why, wrong=name, names=reader.converters)
        value.kind = "any"
        return
    if value.kind not in converter.takes and value.kind != "any":
        reader.slip(
            node,
            "TO2011",
            f"converter {name} cannot read {value.kind}",
            f"it reads {', '.join(sorted(converter.takes))}",
        )
    try:
        value.steps += ((name, converter.make(parameter)),)
    except (ValueError, TypeError) as error:
        reader.slip(node, "TO2010", f"converter {name}: {error}", f"such as {converter.example}")
    if converter.gives != "any":
        value.kind = converter.gives
    elif name != "null_if":
        value.kind = "any"


def _identity(reader: Reader, node: Node) -> Identity:
    allowed = ("type", "role", "stream", "transaction", "id")
    entries = reader.keys(node, "event", allowed, ("type", "transaction"))
    event_type = reader.text(entries.get("type"), "type")
    if event_type and event_type not in EVENT_TYPES:
        reader.slip(entries["type"], "TO2006", f"no event type {event_type!r}", wrong=event_type, names=EVENT_TYPES)
    parts: list[Value] = []
    if "transaction" in entries:
        given = entries["transaction"]
        for child in given.value if isinstance(given.value, list) else [given]:
            parts.append(read_value(reader, child, "transaction", "text"))
    return Identity(
        type=event_type,
        role=reader.text(entries.get("role"), "role"),
        stream=reader.text(entries.get("stream"), "stream"),
        transaction=tuple(parts),
        id=read_value(reader, entries["id"], "id", "text") if "id" in entries else None,
    )


def _fits(reader: Reader, node: Node, value: Value, what: str, kind: str | None) -> None:
    if value.const is None and value.default is not None and not value.paths:
        return
    if kind is not None and value.kind not in FITS[kind]:
        why = f"{what} takes {', '.join(sorted(FITS[kind] - {'any'}))}"
        reader.slip(node, "TO2011", f"{value.kind} cannot fill {what}", why)
    if kind is not None and value.lookup is not None:
        for key, entry in value.lookup.table.items():
            _constant_fits(reader, value.lookup.places.get(key, (node.line, node.column)), entry, what, kind)


def _constant_fits(reader: Reader, at: Node | tuple[int, int], constant: Any, what: str, kind: str | None) -> None:
    if kind is None or constant is None:
        return
    try:
        CASTS[kind]([constant])
    except (ValueError, TypeError) as error:
        reader.slip(at, "TO2011", f"{constant} cannot fill {what}: {error}")


def read_condition(reader: Reader, node: Node) -> Condition:
    """A condition; after a slip one that never holds."""
    if isinstance(node.value, dict) and len(node.value) == 1:
        ((op, inner),) = node.value.items()
        if op in {"all", "any"}:
            if not isinstance(inner.value, list) or not inner.value:
                reader.slip(inner, "TO2005", f"{op} is a list of conditions")
                return Condition("any")
            return Condition(op, tuple(read_condition(reader, child) for child in inner.value))
        if op == "not":
            return Condition("not", (read_condition(reader, inner),))
    entries = reader.keys(node, "condition", ("from", *_TAIL, *OPERATORS, "all", "any", "not"))
    for op in ("all", "any", "not"):
        if op in entries:
            reader.slip(entries[op], "TO2003", f"{op} stands alone", "put the other conditions inside it")
            return Condition("any")
    return _leaf(reader, node, entries)


def _leaf(reader: Reader, node: Node, entries: dict[str, Node]) -> Condition:
    if not isinstance(node.value, dict):
        return Condition("any")
    if "from" not in entries:
        reader.slip(node, "TO2004", "condition lacks 'from'", "such as {from: status, eq: shipped}")
        return Condition("any")
    value = Value(node)
    _paths(reader, entries["from"], value)
    read_steps(reader, entries, value)
    if "default" in entries:
        value.default = reader.constant(entries["default"], "default")
    tests = []
    on_none = True
    for op in OPERATORS:
        if op in entries:
            tests.append(_operator(reader, op, entries[op]))
            on_none = on_none and (op == "ne" or (op == "exists" and entries[op].value is False))
    if not tests:
        reader.slip(node, "TO2004", f"condition has none of {', '.join(OPERATORS)}")
        return Condition("any")
    first, *rest = tests
    holds = first if not rest else lambda found: all(test(found) for test in tests)
    if value.default is not None:
        try:
            holds(value.default)
        except ValueError as error:
            reader.slip(entries["default"], "TO2011", f"default: {error}")
            value.default = None
    return Condition("leaf", (), value, holds, on_none)


def _operator(reader: Reader, op: str, node: Node) -> Callable[[Any], bool]:
    operand = node.plain()
    if op == "exists":
        if not isinstance(operand, bool):
            reader.slip(node, "TO2005", "exists is true or false")
        return lambda _: operand is True
    if op == "in":
        if not isinstance(operand, list) or not operand:
            reader.slip(node, "TO2005", "in is a list of values")
            return lambda _: False
        if all(isinstance(member, str) for member in operand):
            members = frozenset(operand)
            return lambda found: _text(found) in members
        tests = [_equal(reader, node, member) for member in operand]
        return lambda found: any(test(found) for test in tests)
    if op == "matches":
        try:
            search = searcher(reader.text(node, "matches"))
        except PatternError as error:
            reader.slip(node, "TO2014", f"pattern {operand!r}: {error}", "it runs on every record")
            return lambda _: False
        return lambda found: search(text_of(found)) is not None
    if op in {"eq", "ne"}:
        equal = _equal(reader, node, operand)
        return equal if op == "eq" else lambda found: not equal(found)
    return _compared(reader, op, node, operand)


def _text(found: Any) -> Any:
    return found if isinstance(found, str) else str(found) if type(found) is int else None


def _equal(reader: Reader, node: Node, operand: Any) -> Callable[[Any], bool]:
    if isinstance(operand, bool):
        word = "true" if operand else "false"
        return lambda found: found is operand or (isinstance(found, str) and found.lower() == word)
    if isinstance(operand, (int, Decimal)):

        def same(found: Any) -> bool:
            if isinstance(found, bool):
                return False
            try:
                return number_of(found) == operand
            except ValueError:
                return False

        return same
    if not isinstance(operand, str):
        reader.slip(node, "TO2005", "compare with a text, a number, true or false", "use `exists: false` for no value")
        return lambda _: False
    return lambda found: _text(found) == operand


def _compared(reader: Reader, op: str, node: Node, operand: Any) -> Callable[[Any], bool]:
    compare = _ORDER[op]
    if isinstance(operand, str):
        return lambda found: compare(text_of(found), operand)
    if isinstance(operand, bool) or not isinstance(operand, (int, Decimal)):
        reader.slip(node, "TO2005", f"{op} compares with a number or a text")
        return lambda _: False
    return lambda found: compare(number_of(found), operand)
