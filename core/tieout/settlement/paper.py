"""A sales document read once: goods, charges, deductions and tenders, exact in its own currency and in minor units of ours."""

from __future__ import annotations

from fractions import Fraction

from tieout.model.event import EventLine
from tieout.model.money import exact_text
from tieout.settlement.flows import fit
from tieout.settlement.names import AGENT_FEE, CHARGES, DEDUCTIONS, KEPT, TENDERS
from tieout.settlement.related import Document, document_of, head_of
from tieout.settlement.terms import Terms
from tieout.valuation.refs import Lookup

ZERO = Fraction(0)


class Paper:
    """`goods` and `charges` are exact in the document's currency; a deduction is a negative charge. `minor` turns exact
    amounts into minor units of the company's currency that add up to a given total."""

    __slots__ = ("charges", "currency", "document", "fee", "goods", "head", "kept", "rate", "tenders", "terms")

    def __init__(self, terms: Terms, document: Document) -> None:
        self.terms = terms
        self.document = document
        self.head = head = head_of(document)
        self.currency, self.rate = terms.rate_of(head)
        extra = head.extra or {}
        self.charges: dict[str, Fraction] = {}
        self.kept: dict[str, Fraction] = {}
        self.fee: Fraction | None = None
        for word, text in (extra.get("amounts") or {}).items():
            self._charge(word, Fraction(text))
        self.tenders: dict[str, Fraction] = {}
        for word, text in (extra.get("tenders") or {}).items():
            role = TENDERS.get(word)
            if role is None:
                words = ", ".join(sorted(TENDERS))
                terms.refuse(head, "TO4032", f"tender {word!r} is not known", f"use one of {words}")
            self.tenders[role] = self.tenders.get(role, ZERO) + Fraction(text)
        self.goods: list[Fraction | None] = [self._exact(line) for line in document]
        unsplit = next((line for line in document if line.extra and "bundle_amount" in line.extra), None)
        if unsplit is not None:
            bundle = (unsplit.extra or {})["bundle"]
            terms.refuse(
                unsplit,
                "TO4062",
                f"{bundle} is a bundle, and what it is made of has no stand-alone prices to split its price by",
                "import them: tieout items facts FILE",
                (unsplit.extra or {})["bundle_amount"],
            )
        if self.currency != terms.currency:
            self._bundles()

    def _charge(self, word: str, amount: Fraction) -> None:
        if word in CHARGES:
            role = CHARGES[word]
            self.charges[role] = self.charges.get(role, ZERO) + amount
        elif word in DEDUCTIONS:
            role = DEDUCTIONS[word]
            self.charges[role] = self.charges.get(role, ZERO) - amount
        elif word in AGENT_FEE:
            self.fee = (self.fee or ZERO) + amount
        elif word in KEPT:
            role = KEPT[word]
            self.kept[role] = self.kept.get(role, ZERO) + amount
        else:
            words = ", ".join(sorted({*CHARGES, *DEDUCTIONS, *AGENT_FEE, *KEPT}))
            self.terms.refuse(self.head, "TO4031", f"charge {word!r} is not known", f"use one of {words}")

    def _exact(self, line: EventLine) -> Fraction | None:
        if line.amount is None:
            return None
        foreign = (line.extra or {}).get("foreign")
        if foreign is not None:
            return Fraction(foreign)
        return Fraction(line.amount, self.terms.scale) / self.rate

    def _bundles(self) -> None:
        """Components of a bundle share the exact price of the whole, which the first of them carries."""
        wholes: dict[str, list[int]] = {}
        for n, line in enumerate(self.document):
            if "bundle" in (line.extra or {}) and line.amount is not None:
                wholes.setdefault(line.line_id.partition("/")[0], []).append(n)
        for members in wholes.values():
            text = (self.document[members[0]].extra or {}).get("foreign")
            value = sum(self.document[n].amount or 0 for n in members)
            for n in members:
                if text is not None and value:
                    self.goods[n] = Fraction(text) * (self.document[n].amount or 0) / value

    def stated(self) -> Fraction | None:
        """The document's own amount, where it is given as one figure."""
        text = (self.head.extra or {}).get("head_amount")
        return None if text is None else Fraction(text)

    @property
    def priced(self) -> bool:
        return any(amount is not None for amount in self.goods)

    def total(self) -> Fraction:
        """What the customer owes: goods and charges less deductions."""
        return sum((amount or ZERO for amount in self.goods), ZERO) + sum(self.charges.values(), ZERO)

    def exact(self, amount: Fraction) -> Fraction:
        """Exact minor units of the company's currency."""
        return amount * self.rate * self.terms.scale

    def whole(self, amount: Fraction) -> int:
        return fit([self.exact(amount)], _round(self.exact(amount)))[0]

    def minor(self, amounts: list[Fraction], total: int | None = None) -> list[int]:
        """Minor units of several amounts that add up to `total`; without one, to their once-rounded sum."""
        parts = [self.exact(amount) for amount in amounts]
        return fit(parts, _round(sum(parts, ZERO)) if total is None else total)

    def check_tenders(self, total: Fraction, given: Fraction | None = None) -> None:
        """Refuse TO4033 where what is paid (by default the tenders) is not the total."""
        paid = sum(self.tenders.values(), ZERO) if given is None else given
        if paid != total:
            terms, head = self.terms, self.head
            terms.refuse(
                head,
                "TO4033",
                f"tenders come to {exact_text(paid)} {self.currency}, the document to {exact_text(total)} {self.currency}",
                "correct the tenders or the charges",
                self.whole(total),
            )


def _round(value: Fraction) -> int:
    return round(value)


def is_agent(line: EventLine, lookup: Lookup | None) -> bool:
    """Whether a sale's document states an agent's fee: the goods are somebody else's."""
    document = [line] if line.head else document_of(line, lookup)
    return bool(set((head_of(document).extra or {}).get("amounts") or ()) & AGENT_FEE)
