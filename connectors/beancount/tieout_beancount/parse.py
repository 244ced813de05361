"""Beancount text → what tieout needs of it: transactions with their amounts, accounts, options, includes, locks.

Written from the published description of the syntax. What beancount would work out itself is worked out only where the
text leaves one answer (one posting without an amount); lot matching and `pad` are named as unclear, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, DivisionByZero, InvalidOperation
from typing import NamedTuple

_DATE = r"(\d{4}[-/]\d{1,2}[-/]\d{1,2})"
_HEAD = re.compile(_DATE + r"\s+(?:(txn|[*!&#?%]|'?[A-Z](?=\s))|([a-z]+))\s*(.*)", re.DOTALL)
_CODE = re.compile(r'(?:[^";]|"(?:[^"\\]|\\.)*")*', re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_META = re.compile(r"\s+([a-z][A-Za-z0-9_-]*):(?:\s+(.*))?$", re.DOTALL)
_POSTING = re.compile(r"\s+(?:(?:[*!&#?%]|'?[A-Z])\s+)?([^\s:\"{}]+(?::[^\s:\"{}]+)+)\s*(.*)", re.DOTALL)
_CURRENCY = r"(?:[A-Z][A-Z0-9'._-]*|/[A-Z0-9'._-]*[A-Z][A-Z0-9'._-]*)"
_SIMPLE = re.compile(r"([-+]?\d[\d,]*(?:\.\d*)?)\s+(" + _CURRENCY + r")")
_AMOUNT = re.compile(
    rf"([-+*/().,\d\s]*?)\s*({_CURRENCY})?\s*(\{{\{{?[^}}]*\}}\}}?)?\s*(?:(@@?)\s*([-+*/().,\d\s]*?)\s*({_CURRENCY})?)?"
)
_COST = re.compile(r"([-+*/().,\d\s]+?)(?:#\s*([-+*/().,\d\s]+?))?\s*(" + _CURRENCY + r")$")
_TOKEN = re.compile(r"\s*(?:(\d[\d,]*(?:\.\d*)?|\.\d+)|([-+*/()]))")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
STRING_LINES_MAX = 1_000


class Posting(NamedTuple):
    """`value` in `currency`: at cost where the posting states one. None: unclear from the text."""

    account: str
    value: Decimal | None
    currency: str
    meta: dict[str, str]


class Transaction(NamedTuple):
    line: int
    day: date
    payee: str
    narration: str
    meta: dict[str, str]
    postings: tuple[Posting, ...]
    text: str

    @property
    def reference(self) -> str:
        return self.meta.get("tieout", "")


class Parsed:
    """One file's content. `problems`: (line, what)."""

    def __init__(self) -> None:
        self.lines = 0
        self.transactions: list[Transaction] = []
        self.opens: dict[str, tuple[date, str]] = {}
        self.closes: dict[str, date] = {}
        self.options: dict[str, str] = {}
        self.includes: list[str] = []
        self.plugins: list[str] = []
        self.padded: dict[str, int] = {}
        self.locks: list[tuple[date, date]] = []  # (day of the directive, locked through)
        self.problems: list[tuple[int, str]] = []


class _Raw(NamedTuple):
    account: str
    amount: str
    meta: dict[str, str]


def unquote(text: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), text, flags=re.DOTALL) if "\\" in text else text


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """(line number, code without comment); a string that spans lines makes them one."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        first, code = at, lines[at]
        at += 1
        if '"' in code or ";" in code:
            end = _CODE.match(code)
            while (
                end
                and end.end() < len(code)
                and code[end.end()] == '"'
                and at < min(len(lines), first + STRING_LINES_MAX)
            ):
                code += "\n" + lines[at]
                at += 1
                end = _CODE.match(code)
            code = code[: end.end()] if end else code
        yield first + 1, code.rstrip()


def parse(text: str) -> Parsed:
    """Never raises: what cannot be understood is listed in `problems` with its line."""
    parsed = Parsed()
    parsed.lines = text.count("\n")
    block: list[tuple[int, str]] = []
    for line, code in logical_lines(text):
        if not code:
            continue
        if code[0] in " \t":
            if block:
                block.append((line, code))
            continue
        _directive(parsed, block)
        block = [(line, code)]
    _directive(parsed, block)
    return parsed


def _directive(parsed: Parsed, block: list[tuple[int, str]]) -> None:
    if not block:
        return
    line, head = block[0]
    if not head[0].isdigit():
        _undated(parsed, head)
        return
    match = _HEAD.match(head)
    day = _day(match[1]) if match else None
    if match is None or day is None:
        parsed.problems.append((line, f"not a dated directive: {head[:60]}"))
    elif match[2]:
        _transaction(parsed, block, day, match[4])
    else:
        _dated(parsed, block, day, match[3], match[4])


def _undated(parsed: Parsed, head: str) -> None:
    word = head.split(None, 1)[0]
    strings = [unquote(s) for s in _STRING.findall(head)]
    if word == "option" and len(strings) == 2:
        parsed.options[strings[0]] = strings[1]
    elif word == "include" and strings:
        parsed.includes.append(strings[0])
    elif word == "plugin" and strings:
        parsed.plugins.append(strings[0])


def _dated(parsed: Parsed, block: list[tuple[int, str]], day: date, word: str, rest: str) -> None:
    line = block[0][0]
    words = rest.split()
    if word == "open" and words:
        meta: dict[str, str] = {m[1]: m[2] or "" for _, code in block[1:] if (m := _META.match(code))}
        parsed.opens[words[0]] = (day, _text(meta.get("name", "")))
    elif word == "close" and words:
        parsed.closes[words[0]] = day
    elif word == "pad" and len(words) >= 2:
        parsed.padded.update(dict.fromkeys(words[:2], line))
    elif word == "custom" and _STRING.findall(rest)[:2] == ["tieout", "locked-through"]:
        through = _day(words[-1].strip('"'))
        if through is None:
            parsed.problems.append((line, f"locked-through names no date: {rest}"))
        else:
            parsed.locks.append((day, through))


def _day(text: str) -> date | None:
    try:
        year, month, day = map(int, re.split("[-/]", text))
        return date(year, month, day)
    except ValueError:
        return None


def _text(value: str) -> str:
    match = _STRING.fullmatch(value.strip())
    return unquote(match[1]) if match else value.strip()


def _transaction(parsed: Parsed, block: list[tuple[int, str]], day: date, rest: str) -> None:
    line = block[0][0]
    strings = [unquote(s) for s in _STRING.findall(rest)][:2]
    meta: dict[str, str] = {}
    raws: list[_Raw] = []
    for at, code in block[1:]:
        if found := _META.match(code):
            (raws[-1].meta if raws else meta).setdefault(found[1], _text(found[2] or ""))
        elif posting := _POSTING.match(code):
            raws.append(_Raw(posting[1], posting[2].strip(), {}))
        elif code.lstrip()[0] not in "#^":  # more tags and links
            parsed.problems.append((at, f"not a posting: {code.strip()[:60]}"))
    try:
        postings = _valued(raws)
    except ValueError as error:
        parsed.problems.append((line, str(error)))
        postings = tuple(Posting(r.account, None, "", r.meta) for r in raws)
    payee = strings[0] if len(strings) == 2 else ""
    text = "\n".join(code for _, code in block)
    parsed.transactions.append(Transaction(line, day, payee, strings[-1] if strings else "", meta, postings, text))


def _valued(raws: list[_Raw]) -> tuple[Posting, ...]:
    """Values of the postings; the one that leaves its own open gets what is missing to balance."""
    postings: list[Posting] = []
    residual: dict[str, Decimal] = {}
    open_at: list[int] = []
    for raw in raws:
        value, currency, weight, weight_currency = _amount(raw.amount)
        if weight is None:
            open_at.append(len(postings))
        else:
            residual[weight_currency] = residual.get(weight_currency, Decimal(0)) + weight
        postings.append(Posting(raw.account, value, currency, raw.meta))
    if len(open_at) == 1:
        at = open_at[0]
        account, _, _, meta = postings[at]
        rest = [Posting(account, -v, c, meta) for c, v in residual.items() if v] or [
            Posting(account, Decimal(0), c, meta) for c in list(residual)[:1]
        ]
        postings[at : at + 1] = rest
    return tuple(postings)


_Valued = tuple[Decimal | None, str, Decimal | None, str]


def _amount(text: str) -> _Valued:
    """(value, its currency, weight, its currency) of a posting's amount; None where the text leaves it open."""
    if simple := _SIMPLE.fullmatch(text):
        value = Decimal(simple[1].replace(",", ""))
        return value, simple[2], value, simple[2]
    if not text:
        return None, "", None, ""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f"amount not understood: {text[:60]}")
    number, currency, cost, at, price, price_currency = match.groups()
    if not number.strip() or not currency:
        return None, "", None, ""
    units = calculate(number)
    if cost is not None:
        stated = _COST.match(_cost_amount(cost))
        if stated is None:
            return None, "", None, ""
        each, total = calculate(stated[1]), calculate(stated[2]) if stated[2] else Decimal(0)
        at_cost = each.copy_sign(units) if cost.startswith("{{") else units * each + total.copy_sign(units)
        return at_cost, stated[3], at_cost, stated[3]
    if at and not (price and price.strip() and price_currency):
        return units, currency, None, ""
    if at:
        rate = calculate(price)
        weight = abs(rate).copy_sign(units) if at == "@@" else units * rate
        return units, currency, weight, price_currency
    return units, currency, units, currency


def _cost_amount(cost: str) -> str:
    """The amount among a cost's parts: `{2025-01-01, 5.00 USD, "lot"}` → `5.00 USD`."""
    parts = re.split(r",(?!\d{3}(?:\D|$))", _STRING.sub("", cost.strip("{}")))
    return next((p.strip() for p in parts if re.search(_CURRENCY + r"\s*$", p)), "")


def calculate(text: str) -> Decimal:
    """Value of a number expression: + - * / and parentheses. ValueError when it is none."""
    tokens: list[str] = []
    at = 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"number not understood: {text}")
        tokens.append((match[1] or match[2]).replace(",", ""))
        at = match.end()
    try:
        value, used = _sum(tokens, 0)
    except (IndexError, InvalidOperation, DivisionByZero, RecursionError):
        raise ValueError(f"number not understood: {text}") from None
    if used != len(tokens):
        raise ValueError(f"number not understood: {text}")
    return value


def _sum(tokens: list[str], at: int) -> tuple[Decimal, int]:
    value, at = _product(tokens, at)
    while at < len(tokens) and tokens[at] in "+-":
        other, after = _product(tokens, at + 1)
        value, at = (value + other if tokens[at] == "+" else value - other), after
    return value, at


def _product(tokens: list[str], at: int) -> tuple[Decimal, int]:
    value, at = _factor(tokens, at)
    while at < len(tokens) and tokens[at] in "*/":
        other, after = _factor(tokens, at + 1)
        value, at = (value * other if tokens[at] == "*" else value / other), after
    return value, at


def _factor(tokens: list[str], at: int) -> tuple[Decimal, int]:
    token = tokens[at]
    if token in "+-":
        value, at = _factor(tokens, at + 1)
        return (-value if token == "-" else value), at
    if token == "(":
        value, at = _sum(tokens, at + 1)
        if tokens[at] != ")":
            raise IndexError
        return value, at + 1
    return Decimal(token), at + 1
