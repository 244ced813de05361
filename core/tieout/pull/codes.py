"""Error codes of the pull stage."""

from __future__ import annotations

# code -> (title, what it means, what to do)
CODES: dict[str, tuple[str, str, str]] = {
    "TO3150": (
        "record without identity",
        "The stream's key fields are empty or no ids, so the record cannot be told from another.",
        "Mend the key of the stream, or the record at its source.",
    ),
    "TO3151": (
        "unreadable record",
        "The connector could not read this record; its raw text is kept.",
        "Mend it at the source and send it again, or mend the connection's format.",
    ),
    "TO3152": (
        "stream held by drift",
        "A mapped field is gone or has another type. Nothing is landed until the mapping is mended.",
        "Mend the mapping; the next pull goes on from the same cursor.",
    ),
    "TO3153": (
        "cursor lost",
        "The stream's cursor is missing or the vendor no longer knows it.",
        'Set `missing_cursor = "beginning"`: everything is read again, duplicates are dropped.',
    ),
    "TO3154": (
        "an empty sweep",
        "A complete listing of the stream came back empty while records are known; nothing was taken as deleted.",
        "Check the source; a further sweep that lists something goes through.",
    ),
    "TO3155": (
        "sweep out of order",
        "A connector sent the middle of a sweep that never began.",
        "Report it to the connector's author.",
    ),
    "TO3110": (
        "pseudonym key",
        "Personal fields need the company's key file, or a personal path is not one.",
        "Restore keys/COMPANY.key, or mend the path.",
    ),
    "TO3201": (
        "unknown item",
        "A record names an item nobody has taught. It is never guessed; the other events go on.",
        "Run the command in the fix line, then `tieout exceptions retry`.",
    ),
    "TO3202": (
        "unknown location",
        "A record names a location nobody has taught.",
        "Run the command in the fix line, then `tieout exceptions retry`.",
    ),
    "TO3203": (
        "unknown unit",
        "The unit is not known, or the item has no conversion from it to its stock unit.",
        "Add `units` to the item (`tieout items import`), then retry.",
    ),
    "TO3204": (
        "quantity not exact",
        "Converted to the item's stock unit, the quantity has more than six decimals.",
        "Choose a smaller stock unit for the item, or mend the conversion.",
    ),
    "TO3205": (
        "unknown reason",
        "The reason of an adjustment is not mapped to a reason of the catalogue.",
        "Add it to `[reasons]`, then retry.",
    ),
    "TO3206": (
        "event refused",
        "The line cannot be an event row: a number is beyond 64 bits, or the type is unknown.",
        "Mend the mapping or the record, then retry.",
    ),
}
