"""Error codes of the mapping language: code → (title, what it means, what to do)."""

from __future__ import annotations

from typing import Final

CODES: Final[dict[str, tuple[str, str, str]]] = {
    "TO2001": (
        "Mapping file has slips",
        "The checker found one or more slips; each has file, line and column.",
        "Mend the slips listed; `tieout mapping check FILE` shows them again.",
    ),
    "TO2002": (
        "Not readable as YAML",
        "The file is not YAML 1.2, holds a tag, an unknown alias or the same key twice, or is beyond a limit of size.",
        "Mend the place named; tags are never needed.",
    ),
    "TO2003": (
        "Unknown key or verb",
        "A key is not part of the mapping language at this place, or two keys exclude each other.",
        "Use the nearest right name the slip shows, or see the mapping reference.",
    ),
    "TO2004": (
        "Something required is missing",
        "The header, an event, a line or a test lacks a part it must have.",
        "Add the part named.",
    ),
    "TO2005": (
        "Wrong kind of value",
        "A value has another form than the verb takes.",
        "Write the form the slip names.",
    ),
    "TO2006": (
        "Unknown event type",
        "The type is not in the event catalogue.",
        "Use a type of the catalogue; `tieout explain TYPE` shows what it carries.",
    ),
    "TO2007": (
        "Field does not belong to this event type",
        "The event type does not carry the field, at this level or at all.",
        "Use a field the type carries, or another type.",
    ),
    "TO2008": (
        "Unknown source path",
        "The stream's schema has no such field.",
        "Use a field of the source; the nearest is shown.",
    ),
    "TO2009": (
        "Bad path",
        "The path is outside the structural part of JMESPath that mappings use.",
        "Use names, indexes, slices, equality filters and wildcards; quote names that contain signs.",
    ),
    "TO2010": (
        "Unknown converter or bad parameter",
        "No such converter, or its parameter has another form.",
        "Use a converter of the reference; plugins may add more.",
    ),
    "TO2011": (
        "Types do not fit",
        "What the verbs yield cannot fill this field, such as a date for a quantity.",
        "Map another source field, or convert it.",
    ),
    "TO2012": (
        "Case can never be reached",
        "An earlier case always holds, or two cases have the same condition.",
        "Put the case without `when` last; remove the repeated one.",
    ),
    "TO2013": (
        "Same role twice",
        "Two events of one type in one mapping need different roles, because the role is part of their identity.",
        "Give each its own `role`.",
    ),
    "TO2014": (
        "Unsafe or bad regular expression",
        "The pattern does not parse, or its matching time could explode on some text.",
        "Write it without nested repeats, back-references and look-around; bound the repeats.",
    ),
    "TO2015": ("Bad lookup", "A lookup table is missing, empty, too long, or has a key twice.", "Mend the table."),
    "TO2016": (
        "Mapping test failed",
        "A sample record yields other events than the test says.",
        "Mend the mapping, or the test if the test is wrong.",
    ),
    "TO2101": (
        "Required value missing",
        "The record has no value for a field that the event type or the mapping requires.",
        "Mend the record at its source, or map another field or a default.",
    ),
    "TO2102": (
        "Value cannot be read",
        "A converter or a field refused the value of the record; nothing is guessed.",
        "Mend the record at its source, or state the form with a converter.",
    ),
    "TO2103": (
        "Value not in the lookup table",
        "The record's value is not a key of the table and there is no default.",
        "Add the value to the table, then retry the exception.",
    ),
    "TO2104": (
        "Too many elements",
        "One record fans out to more elements than a record may have.",
        "Split the record at its source.",
    ),
    "TO2105": (
        "No event applies to the record",
        "No event of the mapping holds for the record and no `skip` names it.",
        "Add an event for it, or a `skip` with the reason.",
    ),
    "TO2106": (
        "Currency cannot be used",
        "An amount is in a currency that is not the company's, the record states no rate, and none is known for its day.",
        "Map `rate`, or import the exchange rate of that currency and day.",
    ),
    "TO2107": (
        "Same id twice in one record",
        "Two lines of one event, or two events of one record, have the same id.",
        "Map an `id` that tells them apart.",
    ),
    "TO2108": (
        "Record without identity",
        "A key field of the stream is empty, so the record cannot be told from others.",
        "Mend the stream's `key`, or the record at its source.",
    ),
    "TO2109": (
        "Not an array",
        "`each` names a value that is neither an array nor absent.",
        "Point `each` at the array.",
    ),
    "TO2201": (
        "Mapped field missing from a whole page",
        "A field the mapping requires is in no record of the page: the source changed.",
        "Compare with the source's release notes, then mend the mapping; the stream is held until then.",
    ),
    "TO2202": (
        "Mapped field changed its type",
        "A mapped field has another JSON type than declared or seen so far.",
        "Check that the mapping still reads it rightly, then accept the new type; the stream is held until then.",
    ),
}
