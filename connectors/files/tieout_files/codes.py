"""Error codes of this connector: code → (title, what it means, what to do)."""

from __future__ import annotations

CODES: dict[str, tuple[str, str, str]] = {
    "TO3161": (
        "File or folder not found",
        "The path of a stream, or of a file it joins, names nothing that exists.",
        "Correct `path`; the message lists the nearest names in that folder.",
    ),
    "TO3162": (
        "Path outside the project",
        "A path leaves the project folder (also through a link) and its folder is not listed in `folders`.",
        "Move the files below the project folder or list the absolute folder in `folders`.",
    ),
    "TO3163": (
        "Row with the wrong number of columns",
        "A row has more or fewer values than the header has names. The other rows went on.",
        "Correct the row in the file; most often a delimiter inside an unquoted value.",
    ),
    "TO3164": (
        "Row with bad quoting",
        "A quote opens and never closes properly, so the row's end is unknown. Reading went on at the next line.",
        'Double the quote inside a quoted value, or set `quote = ""` if the file does not quote.',
    ),
    "TO3165": (
        "Bytes that are not in the stated encoding",
        "A line holds bytes that the stream's `encoding` does not know.",
        "State the file's encoding (such as cp1252 or utf-16), or export it as UTF-8.",
    ),
    "TO3166": (
        "Line that is not a JSON object",
        "A line of a JSON Lines file is no complete JSON object.",
        "Correct the line; one object per line, no commas between lines.",
    ),
    "TO3167": (
        "Header without a needed column",
        "A file's header lacks a column that the stream names, names one twice, or there is no header at all.",
        "Correct the file, or `key`, `columns`, `names`, `skip_rows`, `delimiter` of the stream.",
    ),
    "TO3168": (
        "File damaged",
        "A gzip or Excel file cannot be read to its end, or a line is longer than 16 MiB.",
        "Send the file again. What came before the damage was read.",
    ),
    "TO3169": ("No such stream", "The connection declares no stream of this name.", "Use one of the names listed."),
    "TO3170": (
        "Cursor not readable",
        "The stored position of a stream is not one this connector wrote.",
        "Reset the stream's cursor; everything is read again and duplicates are dropped.",
    ),
    "TO3171": (
        "Number not in decimal-comma form",
        "A value of a `decimal_comma` column reads neither 1234,56 nor 1.234,56.",
        "Correct the value, or take the column out of `decimal_comma`.",
    ),
    "TO3172": (
        "Snapshot without rows",
        'A file of a stream with `deletes = "sweep"` holds no row; taken literally it would delete everything.',
        "Send the snapshot again.",
    ),
    "TO3173": (
        "Too much to keep in memory",
        "A joined file, a group or the number of groups is beyond the stated bound.",
        "Split the file, swap the two sides of the join, or sort the file so that groups are adjacent.",
    ),
    "TO3174": (
        "Document whose rows cannot be put together",
        "Rows of one `group_by` document are scattered, disagree on a `group_header` column, or touch an unreadable row.",
        "Sort the file, set `group_adjacent = false`, or correct the rows; the document is then read again.",
    ),
    "TO3175": (
        "Stock report not readable",
        "A stock file lacks a column or holds a quantity or date that cannot be read; a partial report is not used.",
        "Correct the row that the message names.",
    ),
    "TO3176": (
        "Row without its counterpart",
        "A joined file has no row for this key, or several where one is meant, or rows no record asked for.",
        "Correct the key in either file, or set `required = false` on the join.",
    ),
    "TO3177": (
        "Cell holding an error",
        "An Excel cell shows an error such as #N/A instead of a value.",
        "Correct the formula and send the file again.",
    ),
}
