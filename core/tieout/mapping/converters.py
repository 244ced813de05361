"""The named converters of `convert`: what each takes and gives, and how the reference describes it.

A converter never sees "no value"; it may yield it (`null_if`). ValueError refuses the record. `takes` and `gives` are
the kinds the checker compares: text, number, date, time, any.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tieout.mapping import conversions as to

Function = to.Function


@dataclass(frozen=True, slots=True)
class Converter:
    """`make(parameter)` returns the function; it raises ValueError for a bad parameter. `example` is shown in the reference."""

    name: str
    make: Callable[[Any], Function]
    takes: frozenset[str]
    gives: str
    about: str
    example: str


_N, _D = frozenset({"text", "number", "any"}), frozenset({"text", "date", "time", "any"})
_DF = frozenset({"text", "number", "date", "time", "any"})


def _text(name: str, function: Callable[[str], Any], about: str) -> Converter:
    return Converter(name, to.plain(to.on_text(function)), _N, "text", about, name)


_ALL: Final = (
    _text("trim", str.strip, "without space at both ends"),
    _text("squeeze", lambda text: " ".join(text.split()), "trimmed, and runs of space as one space"),
    _text("upper", str.upper, "in upper case"),
    _text("lower", str.lower, "in lower case"),
    _text("nfc", lambda text: unicodedata.normalize("NFC", text), "in Unicode form NFC (one code for é, however typed)"),
    _text("nfkc", lambda text: unicodedata.normalize("NFKC", text), "in Unicode form NFKC (full-width digits as digits)"),
    _text("strip_zeros", to.strip_zeros, "without leading zeros; a lone zero stays"),
    _text("gtin", to.gtin, "a GTIN of 8, 12, 13 or 14 digits as 14 digits; a wrong check digit is refused"),
    _text("unit", to.unit, "the UN/CEFACT code of a unit name; an unknown one is refused"),
    Converter("prefix", to.joined(lambda text, word: word + text), _N, "text", "with a text before it", "{prefix: SO-}"),
    Converter("suffix", to.joined(lambda text, word: text + word), _N, "text", "with a text after it", "{suffix: -R}"),
    Converter("remove_prefix", to.joined(str.removeprefix), _N, "text", "without this beginning, where it has it", "{remove_prefix: '#'}"),
    Converter("remove_suffix", to.joined(str.removesuffix), _N, "text", "without this end, where it has it", "{remove_suffix: '.0'}"),
    Converter("first", to.first, _N, "text", "the first characters", "{first: 20}"),
    Converter("extract", to.extract, _N, "text", "the part that matches a safe pattern, or its first group", "{extract: 'ASN-[0-9]+'}"),
    Converter("replace", to.replace, _N, "text", "texts replaced, in the order written", "{replace: {'–': '-'}}"),
    Converter("null_if", to.null_if, _DF, "any", "no value where it is one of these texts", "{null_if: [N/A, none]}"),
    Converter("decimal", to.decimal_reader, _N, "number",
          "an exact number; options: comma (decimal comma), group (thousands sign), currency (symbol to drop), "
          "trailing_minus, parentheses (negative)", "{decimal: {comma: true, group: '.'}}"),
    Converter("integer", to.plain(to.integer), _N, "number", "a whole number; anything after the point but zeros is refused", "integer"),
    Converter("negate", to.plain(lambda value: -to.number_of(value)), _N, "number", "the sign turned", "negate"),
    Converter("abs", to.plain(lambda value: abs(to.number_of(value))), _N, "number", "without its sign", "abs"),
    Converter("multiply", to.scaler(lambda value, by: value * by), _N, "number", "times an exact number", "{multiply: 12}"),
    Converter("divide", to.scaler(lambda value, by: value / by), _N, "number", "divided, where the result is exact", "{divide: 100}"),
    Converter("date", to.formats(keep_time=False), _DF, "date", "a date by form; of a list the first form that fits", "{date: '%d/%m/%Y'}"),
    Converter("datetime", to.formats(keep_time=True), _DF, "time", "a time by form; of a list the first that fits", "{datetime: '%d/%m/%Y %H:%M'}"),
    Converter("epoch", to.epoch, _N, "time", "a count since 1970 UTC in seconds, milliseconds or microseconds", "{epoch: seconds}"),
    Converter("day", to.plain(to.day_of), _D, "date", "the date of a time, as written", "day"),
    Converter("shift_days", to.shift_days, _D, "any", "so many days later (or earlier)", "{shift_days: 1}"),
    Converter("zone", to.in_zone, _D, "time", "a time without offset read in this zone", "{zone: America/New_York}"),
)  # fmt: skip

CONVERTERS: Final[dict[str, Converter]] = {converter.name: converter for converter in _ALL}


def plugin_converter(name: str, function: Function) -> Converter:
    """A plugin's function of one value, as a converter without parameter."""
    return Converter(
        name, to.plain(function), _DF, "any", (function.__doc__ or "from a plugin").strip().splitlines()[0], name
    )
