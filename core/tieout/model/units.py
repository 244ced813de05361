"""Units of measure: UN/CEFACT Recommendation 20 codes, the common names people write for them, and exact conversions."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

# code -> (name, other ways it is written). Only what trade and stock keeping use; a project adds its own in the item master.
UNITS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "C62": ("one", ("each", "ea", "unit", "units", "piece", "pieces", "pc", "pcs", "one", "stk")),
    "PR": ("pair", ("pairs",)),
    "DZN": ("dozen", ("doz", "dz")),
    "SET": ("set", ("sets",)),
    "KGM": ("kilogram", ("kg", "kgs", "kilo", "kilograms")),
    "GRM": ("gram", ("g", "gr", "grams")),
    "MGM": ("milligram", ("mg",)),
    "TNE": ("tonne", ("t", "ton", "tonnes")),
    "LBR": ("pound", ("lb", "lbs", "pounds")),
    "ONZ": ("ounce", ("oz", "ounces")),
    "LTR": ("litre", ("l", "liter", "litres", "liters")),
    "MLT": ("millilitre", ("ml",)),
    "GLL": ("gallon (US)", ("gal",)),
    "MTR": ("metre", ("m", "meter", "metres", "meters")),
    "CMT": ("centimetre", ("cm",)),
    "MMT": ("millimetre", ("mm",)),
    "INH": ("inch", ("in", "inches")),
    "FOT": ("foot", ("ft", "feet")),
    "YRD": ("yard", ("yd", "yards")),
    "MTK": ("square metre", ("m2", "sqm")),
    "MTQ": ("cubic metre", ("m3", "cbm")),
    "HUR": ("hour", ("h", "hr", "hours")),
    "XBX": ("box", ("box", "boxes", "bx")),
    "XCT": ("carton", ("carton", "cartons", "ctn")),
    "XCS": ("case", ("case", "cases", "cs")),
    "XPK": ("package", ("pack", "packs", "pk", "package")),
    "XPX": ("pallet", ("pallet", "pallets")),
    "XBG": ("bag", ("bag", "bags")),
    "XBO": ("bottle", ("bottle", "bottles", "btl")),
    "XRO": ("roll", ("roll", "rolls")),
}
_BY_NAME = {alias: code for code, (name, aliases) in UNITS.items() for alias in (code.lower(), name, *aliases)}
_BY_NAME["ea"] = "C62"

# Conversions that hold for every item, to the first unit of the family.
_PHYSICAL: Mapping[str, tuple[str, Fraction]] = {
    "KGM": ("KGM", Fraction(1)),
    "GRM": ("KGM", Fraction(1, 1000)),
    "MGM": ("KGM", Fraction(1, 1_000_000)),
    "TNE": ("KGM", Fraction(1000)),
    "LBR": ("KGM", Fraction(45_359_237, 100_000_000)),
    "ONZ": ("KGM", Fraction(45_359_237, 1_600_000_000)),
    "LTR": ("LTR", Fraction(1)),
    "MLT": ("LTR", Fraction(1, 1000)),
    "GLL": ("LTR", Fraction(3_785_411_784, 1_000_000_000)),
    "MTQ": ("LTR", Fraction(1000)),
    "MTR": ("MTR", Fraction(1)),
    "CMT": ("MTR", Fraction(1, 100)),
    "MMT": ("MTR", Fraction(1, 1000)),
    "INH": ("MTR", Fraction(254, 10_000)),
    "FOT": ("MTR", Fraction(3048, 10_000)),
    "YRD": ("MTR", Fraction(9144, 10_000)),
    "C62": ("C62", Fraction(1)),
    "DZN": ("C62", Fraction(12)),
}


def unit_code(text: str) -> str | None:
    """UN/CEFACT code for a code or a common name, ignoring case and surrounding space; None when unknown (never guessed)."""
    return _BY_NAME.get(text.strip().lower())


def factor(unit: str, stock_unit: str, own: Mapping[str, Fraction]) -> Fraction | None:
    """How many stock units one `unit` is: the item's own conversions first, then physical ones; None when undefined."""
    if unit == stock_unit:
        return Fraction(1)
    if unit in own:
        return own[unit]
    source, target = _PHYSICAL.get(unit), _PHYSICAL.get(stock_unit)
    if source and target and source[0] == target[0]:
        return source[1] / target[1]
    return None
