"""What converters do with one value: each maker takes the parameter written in the mapping and gives the function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from tieout.mapping.limits import NUMBER_DIGITS_MAX
from tieout.mapping.patterns import PatternError, searcher
from tieout.mapping.times import epoch_parser, parse_when, strptime_parser, zone
from tieout.model.money import decimal_of
from tieout.model.units import unit_code

Function = Callable[[Any], Any]
Maker = Callable[[Any], Function]
_DIRECTIVE: Final = re.compile(r"%(.)")
_DIRECTIVES: Final = frozenset("YymdHMSfIpbBjzeaA%")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_EPOCHS: Final = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}


def text_of(value: Any) -> str:
    """Text of a text or a whole number; other kinds are refused, because their text is not defined."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"{_short(value)} is {kind_of(value)}, not a text")


def number_of(value: Any) -> Decimal:
    """An exact decimal of a plain decimal text, a whole number or a Decimal; floats are refused."""
    if isinstance(value, (str, int, Decimal)) and not (isinstance(value, str) and len(value) > 2 * NUMBER_DIGITS_MAX):
        exact = decimal_of(value, "value")
        if len(exact.as_tuple().digits) > NUMBER_DIGITS_MAX or abs(exact.adjusted()) > NUMBER_DIGITS_MAX:
            raise ValueError(f"{_short(value)} has more than {NUMBER_DIGITS_MAX} digits")
        return exact
    raise ValueError(f"{_short(value)} is {kind_of(value)}, not an exact number")


def kind_of(value: Any) -> str:
    """The JSON name of a value's type, with its article."""
    names = {
        bool: "a boolean",
        int: "a number",
        Decimal: "a number",
        float: "a float",
        list: "an array",
        dict: "an object",
    }
    return "nothing" if value is None else names.get(type(value), f"a {type(value).__name__}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def plain(function: Function) -> Callable[[Any], Function]:
    def make(parameter: Any) -> Function:
        if parameter is not None:
            raise ValueError("takes no parameter")
        return function

    return make


def on_text(function: Callable[[str], Any]) -> Function:
    return lambda value: function(value if type(value) is str else text_of(value))


def _word(parameter: Any) -> str:
    if not isinstance(parameter, str) or not parameter:
        raise ValueError("takes a text")
    return parameter


def decimal_reader(parameter: Any) -> Function:
    options = _options(
        parameter, {"comma": bool, "group": str, "currency": str, "trailing_minus": bool, "parentheses": bool}
    )
    point = "," if options.get("comma") else "."
    group = options.get("group", "")
    if group == point or (group and (len(group) != 1 or group.isalnum() or group in "+-")):
        raise ValueError("group: one sign that is not the decimal mark, such as '.' or ' '")
    symbol = options.get("currency", "")

    def convert(value: Any) -> Decimal:
        if not isinstance(value, str):
            return number_of(value)
        text = value.strip()
        if symbol:
            text = text.removeprefix(symbol).removesuffix(symbol).strip()
        sign = ""
        if options.get("parentheses") and text.startswith("(") and text.endswith(")"):
            text, sign = text[1:-1].strip(), "-"
        elif options.get("trailing_minus") and text.endswith("-"):
            text, sign = text[:-1].strip(), "-"
        whole, mark, part = text.partition(point)
        if group and group in whole:
            first, *rest = whole.lstrip("+-").split(group)
            if not 1 <= len(first) <= 3 or any(len(block) != 3 for block in rest):
                raise ValueError(f"{value!r}: {group!r} does not part groups of three digits")
            whole = whole.replace(group, "")
        if point == "," and "." in text.replace(group or ",", ""):
            raise ValueError(f"{value!r} has a point where the decimal mark is a comma")
        plain = sign + whole + ("." if mark else "") + part
        if not plain.isascii() or not _NUMBER.fullmatch(plain):
            raise ValueError(f"{value!r} is not a decimal number with the mark {point!r}")
        return number_of(plain)

    return convert


def _options(parameter: Any, known: Mapping[str, type]) -> dict[str, Any]:
    if parameter is None:
        return {}
    if not isinstance(parameter, dict):
        raise ValueError(f"takes options: {', '.join(known)}")
    for name, value in parameter.items():
        if name not in known:
            raise ValueError(f"has no option {name!r}; options are {', '.join(known)}")
        if not isinstance(value, known[name]):
            raise ValueError(f"option {name} takes {'true or false' if known[name] is bool else 'a text'}")
    return parameter


def scaler(operation: Callable[[Fraction, Fraction], Fraction]) -> Callable[[Any], Function]:
    def make(parameter: Any) -> Function:
        if isinstance(parameter, bool) or not isinstance(parameter, (int, str, Decimal)):
            raise ValueError("takes an exact number")
        factor = Fraction(decimal_of(parameter, "parameter"))
        if factor == 0:
            raise ValueError("takes a number other than 0")

        def convert(value: Any) -> Decimal:
            exact = operation(Fraction(number_of(value)), factor)
            places = _finite_places(exact.denominator)
            if places is None:
                raise ValueError(f"{_short(value)} scaled by {parameter} has no end as a decimal")
            digits = exact.numerator * 10**places // exact.denominator
            return Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), -places))

        return convert

    return make


def _finite_places(denominator: int) -> int | None:
    twos = fives = 0
    while denominator % 2 == 0:
        denominator, twos = denominator // 2, twos + 1
    while denominator % 5 == 0:
        denominator, fives = denominator // 5, fives + 1
    return max(twos, fives) if denominator == 1 else None


def formats(*, keep_time: bool) -> Callable[[Any], Function]:
    def make(parameter: Any) -> Function:
        formats = parameter if isinstance(parameter, list) else [parameter]
        if not formats or any(not isinstance(form, str) or "%" not in form for form in formats):
            raise ValueError('takes a form such as "%d/%m/%Y", or a list of forms')
        for form in formats:
            bad = [sign for sign in _DIRECTIVE.findall(form) if sign not in _DIRECTIVES]
            if bad or (form.endswith("%") and not form.endswith("%%")):
                raise ValueError(f"{form!r}: %{(bad or [''])[0]} is not a part of a date form")
            datetime(2001, 2, 3).strftime(form)
        return strptime_parser(formats, keep_time=keep_time)

    return make


def epoch(parameter: Any) -> Function:
    if parameter not in _EPOCHS:
        raise ValueError(f"takes {', '.join(_EPOCHS)}")
    return epoch_parser(_EPOCHS[parameter])


def shift_days(parameter: Any) -> Function:
    if not isinstance(parameter, int) or isinstance(parameter, bool) or abs(parameter) > 100_000:
        raise ValueError("takes a whole number of days")
    days = timedelta(days=parameter)

    def convert(value: Any) -> Any:
        return parse_when(value) + days

    return convert


def in_zone(parameter: Any) -> Function:
    where = zone(_word(parameter))

    def convert(value: Any) -> Any:
        moment = parse_when(value)
        if not isinstance(moment, datetime):
            raise ValueError(f"{_short(value)} is a date without a time")
        return moment if moment.tzinfo else moment.replace(tzinfo=where)

    return convert


def day_of(value: Any) -> date:
    moment = parse_when(value)
    return moment.date() if isinstance(moment, datetime) else moment


def extract(parameter: Any) -> Function:
    try:
        search = searcher(_word(parameter))
    except PatternError as error:
        raise ValueError(str(error)) from None

    def convert(value: Any) -> str:
        found = search(text_of(value))
        if found is None:
            raise ValueError(f"{_short(value)} holds nothing like {parameter}")
        return found.group(1) if found.re.groups else found.group()

    return convert


def replace(parameter: Any) -> Function:
    if not isinstance(parameter, dict) or not parameter:
        raise ValueError("takes pairs such as {'–': '-'}")
    pairs = [(str(old), str(new)) for old, new in parameter.items()]
    if any(not old for old, _ in pairs):
        raise ValueError("cannot replace an empty text")

    def convert(text: str) -> str:
        for old, new in pairs:
            text = text.replace(old, new)
        return text

    return on_text(convert)


def null_if(parameter: Any) -> Function:
    unwanted = parameter if isinstance(parameter, list) else [parameter]
    if not unwanted or any(isinstance(value, (dict, list)) or value is None for value in unwanted):
        raise ValueError("takes a text or a list of texts")
    texts = frozenset(map(str, unwanted))
    return lambda value: None if str(value) in texts else value


def first(parameter: Any) -> Function:
    if not isinstance(parameter, int) or isinstance(parameter, bool) or not 1 <= parameter <= 255:
        raise ValueError("takes a number of characters")
    return on_text(lambda text: text[:parameter])


def strip_zeros(text: str) -> str:
    return text.lstrip("0") or ("0" if text else "")


def gtin(text: str) -> str:
    digits = text.strip().replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) in {8, 12, 13, 14}):
        raise ValueError(f"{text!r} is not a GTIN of 8, 12, 13 or 14 digits")
    full = digits.zfill(14)
    weighed = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(full[:13]))
    if (10 - weighed % 10) % 10 != int(full[13]):
        raise ValueError(f"{text!r}: the check digit of the GTIN does not fit (should be {(10 - weighed % 10) % 10})")
    return full


def unit(text: str) -> str:
    code = unit_code(text)
    if code is None:
        raise ValueError(f"{text!r} is neither a UN/CEFACT code nor a known unit name")
    return code


def integer(value: Any) -> int:
    exact = number_of(value)
    if exact != exact.to_integral_value():
        raise ValueError(f"{_short(value)} is not a whole number")
    return int(exact)


def joined(build: Callable[[str, str], str]) -> Callable[[Any], Function]:
    def make(parameter: Any) -> Function:
        word = _word(parameter)
        return on_text(lambda text: build(text, word))

    return make
