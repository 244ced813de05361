"""Every error code of valuation: code → (title, what it means, what to do)."""

from __future__ import annotations

from typing import Final

CODES: Final[dict[str, tuple[str, str, str]]] = {
    "TO4001": (
        "Not enough stock",
        "The policy is negative_stock = block and the pool holds fewer units than the event takes out.",
        "Enter the missing receipt or transfer, correct the quantity, or allow provisional cost.",
    ),
    "TO4002": (
        "No cost known",
        "Units come in without a price, and the pool has no history from which a current cost could be taken.",
        "Give the line a price, load an opening layer, or set the item's standard or catalogue cost.",
    ),
    "TO4003": (
        "No standard cost in force",
        "The item is valued at standard cost but no standard is known on or before the event's date.",
        "Enter cost.standard_changed with an earlier effective date, or the item's catalogue cost.",
    ),
    "TO4004": (
        "Unknown reason",
        "The reason code of an adjustment is not one of the matrix, or does not fit the sign of the quantity.",
        "Map the vendor's reason to a known code, or set policy unknown_reason = suspense.",
    ),
    "TO4005": (
        "Landed cost names an unknown target",
        "A landed-cost line names a receipt or a document that is not known, so the cost cannot be spread.",
        "Land the receipt, or correct the reference; the cost is released by itself when the target is there.",
    ),
    "TO4006": (
        "Transfer receipt without its dispatch",
        "Units arrive on a transfer whose dispatch is not known.",
        "Land the dispatch; the receipt is released by it.",
    ),
    "TO4007": (
        "More than there was",
        "A document takes back, credits or returns more than the earlier document it names still has open.",
        "Correct the quantity, or name the other document the rest belongs to.",
    ),
    "TO4008": (
        "Cost would become negative",
        "A credit or correction would leave the named receipt with a negative value.",
        "Check the amount; book an income that is not a cost of goods in the ledger.",
    ),
    "TO4009": (
        "Line is incomplete",
        "The event type needs a field that this line does not have.",
        "Complete the mapping or the document.",
    ),
    "TO4010": (
        "Unknown cost method",
        "The policy names a cost method that neither tieout nor an installed plugin has.",
        "Use fifo, lifo, weighted_average, standard or specific, or install the plugin.",
    ),
    "TO4011": (
        "Lot missing",
        "Under specific identification every movement names its lot or serial number.",
        "Map the lot field of the source.",
    ),
    "TO4012": (
        "Not valued yet",
        "This event type moves units by matrix rows that this version does not value.",
        "Keep the event as an exception; it is released by a version that has the rows.",
    ),
    "TO4013": (
        "Reference not found",
        "The event must name an earlier one, and the one it names is not known or is of another kind.",
        "Correct the reference, or land the earlier event.",
    ),
    "TO4014": (
        "LIFO outside US GAAP",
        "Policy cost_method = lifo needs framework = us_gaap; IAS 2 does not allow it.",
        "Choose another method, or set framework = us_gaap for this book.",
    ),
    "TO4015": (
        "Cost method changed",
        "The policy asks for another cost method than the pool holds units under, with units still open at an estimate.",
        "Enter the receipts that settle them before the day of the change.",
    ),
    "TO4016": (
        "Value out of range",
        "Quantity times cost is beyond the 64-bit range of amounts.",
        "Check the quantity (unit of measure) and the price or earlier cost it was taken from.",
    ),
    "TO4060": (
        "Bill of materials unknown",
        "A bundle, kit or production order needs to know what the item is made of on that day, and nobody taught it.",
        "Import the bill of materials (`tieout items facts FILE`), then retry.",
    ),
    "TO4061": (
        "Item is made of itself",
        "The bill of materials of a bundle leads back to the bundle.",
        "Mend the bill of materials.",
    ),
    "TO4062": (
        "Stand-alone price unknown",
        "The price of a bundle is split over its components by stand-alone selling price, and one of them has none.",
        "Import the stand-alone price of the component (`tieout items facts FILE`), then retry.",
    ),
    "TO4063": (
        "No exact quantity of a component",
        "Quantity times bill of materials is finer than a millionth of the component's stock unit.",
        "Write the bill of materials with at most six decimals, or choose a smaller stock unit.",
    ),
    "TO4064": (
        "Bundle in stock",
        "A virtual bundle is received, counted or assembled, but it is never held itself.",
        "Say it of the items it is made of, or make the item a kit (kind = goods).",
    ),
    "TO4066": (
        "Rate or routing unknown",
        "Hours were reported for a production order, and neither the report nor a routing says at which rate.",
        "State labour_rate and overhead_rate among the amounts, or import the routing (`tieout items facts FILE`).",
    ),
    "TO4021": (
        "Row of a facts file cannot be read",
        "A row of a file given to --facts is not a bill of materials, routing, price, rate, standard cost or evidence.",
        "Mend the rows the message names; docs/value.md lists the columns of each table.",
    ),
    "TO4017": (
        "Not approved",
        "The event decides something only a person may: clearing an open receipt away, accepting a change in the ledger.",
        "State who approved it as the event's `actor`.",
    ),
    "TO4018": (
        "Not this way of writing down",
        "The framework or the cost method does not know this write-down, revaluation or recovery.",
        "Follow the fix in the message: a new standard, an approved revaluation, or nothing.",
    ),
    "TO4019": (
        "Event and policies disagree",
        "A change of policy was entered, but the policies in force on its day say something else.",
        "Give the policy that day as its effective date, or correct the event.",
    ),
    "TO4022": (
        "Count opened again",
        "Policy is count_reopen = hold, and a movement learned later changed the book quantity the count was approved against.",
        "Approve the count again with the book quantity of its cut-off, or set count_reopen = recompute.",
    ),
    "TO4023": (
        "Intercompany leg without its partner",
        "The affiliate's books have no leg of the same document, or one with another quantity or price.",
        "Land the affiliate's leg, or correct the side that is wrong; the exception closes by itself.",
    ),
    "TO4024": (
        "A bill that fits no receipt",
        "It names none, and under `unlinked_bill_match = party_item` the vendor has no open receipt of the item.",
        "Enter the receipt, or name it on the bill; then retry.",
    ),
    "TO4020": (
        "Line of the events file cannot be read",
        "A line of EVENTS.jsonl is not a canonical event.",
        "Mend the line; the message names it and the field.",
    ),
}
