"""Every error code of settlement: code → (title, what it means, what to do)."""

from __future__ import annotations

from typing import Final

CODES: Final[dict[str, tuple[str, str, str]]] = {
    "TO4030": (
        "No exchange rate",
        "An amount is in a foreign currency, the event states no rate, and none is known for its day or the 7 days before.",
        "Import the rate of that currency and day, or map the rate of the document.",
    ),
    "TO4031": (
        "Unknown charge",
        "A key of `amounts` is not one of the words for what a document charges.",
        "Use one of the words in the message; the docs page about the money side lists them.",
    ),
    "TO4032": (
        "Unknown tender",
        "A key of `tenders` is not one of the ways to pay.",
        "Use one of the words in the message.",
    ),
    "TO4033": (
        "Tenders do not add up",
        "What is paid is not what is charged: the tenders of the document do not sum to its total.",
        "Correct the document or its mapping; a difference is never booked to rounding by itself.",
    ),
    "TO4034": (
        "Sale without a price",
        "Revenue is due by `revenue_trigger`, but neither the document nor the order it names states what was charged.",
        "Map the line's price, or the reference to the order; a free unit states a price of zero.",
    ),
    "TO4035": (
        "Unknown type on a payout",
        "A payout carries an amount of a type that no role is known for. The whole payout waits.",
        "Map the vendor's type to one of the words in the message.",
    ),
    "TO4036": (
        "Payment names no bill",
        "A foreign payment must name the bill it pays: the rate the payable is carried at comes from there.",
        "Add the reference to the bill.",
    ),
    "TO4037": (
        "Paid more than owed",
        "A payment, release or use of a balance is larger than what is open on the document it names.",
        "Correct the amount, or name the other document the rest belongs to.",
    ),
    "TO4039": (
        "Status not known",
        "A dispute or reserve says a status that has no posting rule.",
        "Use opened, won or lost for a dispute; held or released for a reserve.",
    ),
    "TO4040": (
        "Payout does not add up",
        "The lines of a payout do not come to the amount that is paid out.",
        "Map every line of the payout, with its sign.",
    ),
}
