"""Settlement: the money side of documents, that which moves neither units nor their cost (matrix §5, 7, 8, 11, 17, 18).

Pure functions of a line, the policies in force, rates and prices, and what is known beside it. Nothing is kept: what is
open so far is worked out from the documents before, in the order of events, so any order of arrival gives the same.
"""

import tieout.valuation  # noqa: F401  valuation and settlement name each other: whoever is asked for first, this order works
from tieout.settlement.purchases import covered, in_advance
from tieout.settlement.related import dependents
from tieout.settlement.rules import LOOKED_AT, RULES, Rule, rules_under
from tieout.settlement.terms import Terms

__all__ = ["LOOKED_AT", "RULES", "Rule", "Terms", "covered", "dependents", "in_advance", "rules_under"]
