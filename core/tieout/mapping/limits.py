"""Every bound of the mapping language, with its unit."""

from __future__ import annotations

from typing import Final

FILE_BYTES_MAX: Final = 256 * 1024
NESTING_DEPTH_MAX: Final = 24
NODES_MAX: Final = 20_000  # aliases counted as often as they are used
EVENTS_MAX: Final = 50  # event blocks of one mapping
BLOCKS_MAX: Final = 20  # line blocks of one event
FAN_OUT_ELEMENTS_MAX: Final = 10_000  # elements one `each` may yield for one record
LOOKUP_ROWS_MAX: Final = 200_000
LOOKUP_BYTES_MAX: Final = 32 * 1024 * 1024
PATH_CHARACTERS_MAX: Final = 500
PATTERN_CHARACTERS_MAX: Final = 300
PATTERN_COST_MAX: Final = 255**2  # ways to match from one start, see `patterns`
PATTERN_TEXT_CHARACTERS_MAX: Final = 255  # longest text a pattern with a repeat is tried on
TEXT_CHARACTERS_MAX: Final = 255
MEMO_CHARACTERS_MAX: Final = 4_000
SLIPS_MAX: Final = 200
NUMBER_DIGITS_MAX: Final = 28  # beyond it decimal arithmetic would round
