"""Calls of the Admin GraphQL API: cost paid before and believed after, errors inside a 200, versions, warnings, pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tieout import Answer, Drift, Fatal, Http, NeedsReauth, Points, RateLimited, Retryable
from tieout_shopify.config import VERSION
from tieout_shopify.queries import COSTS

PAGES_MAX = 20_000
_PAUSED = {402: "the shop is frozen (unpaid)", 423: "the shop is locked", 430: "Shopify rejected us for security"}


class Look:
    """Reads an answer before its status is judged: the version, the cost, and a throttle that comes as a 200."""

    def __init__(self, points: Points) -> None:
        self._points = points

    def __call__(self, answer: Answer) -> None:
        if answer.status in _PAUSED:
            raise Retryable(_PAUSED[answer.status], code="TO6501", where=answer.url, fix="settle it with Shopify")
        if answer.status == 403:
            raise NeedsReauth(
                f"Shopify refuses: {answer.shown}", code="TO6502", where=answer.url, fix="check the app's scopes"
            )
        if answer.status != 200:
            return
        served = answer.headers.get("x-shopify-api-version", VERSION)
        if served != VERSION:
            raise Fatal(
                f"Shopify answered with version {served}; this connector speaks {VERSION}",
                code="TO6503",
                where=answer.url,
                fix="install a newer tieout-shopify",
            )
        data = answer.json()
        if not isinstance(data, dict):
            raise answer.unclear("Shopify answered something else than an object")
        self._believe(data, answer)

    def _believe(self, data: Mapping[str, Any], answer: Answer) -> None:
        cost = (data.get("extensions") or {}).get("cost") or {}
        status = cost.get("throttleStatus") or {}
        if status:
            held, most, rate = (
                int(Decimal(str(status[k]))) for k in ("currentlyAvailable", "maximumAvailable", "restoreRate")
            )
            self._points.believe(held, most, max(rate, 1))
        if any(_code(error) == "THROTTLED" for error in _errors(data)):
            wanted = int(Decimal(str(cost.get("requestedQueryCost") or 100)))
            held = int(Decimal(str(status.get("currentlyAvailable") or 0)))
            rate = int(Decimal(str(status.get("restoreRate") or 50)))
            seconds = max(1, -(-max(wanted - held, 0) // max(rate, 1)))
            raise RateLimited(
                "Shopify asks us to slow down", until=answer.at + seconds, code="TO6504", where=answer.url
            )


class GraphQL:
    """Sends the documents of `queries`."""

    def __init__(self, http: Http) -> None:
        self.http = http

    def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """`data` of the answer, whole: partial data is never used."""
        body = msgspec.json.encode({"query": document, "variables": variables})
        headers = {"Content-Type": "application/json"}
        answer = self.http.read("POST", "graphql.json", content=body, headers=headers, cost=COSTS[document])
        answered = answer.json()
        self._refuse(answered, answer)
        data = answered.get("data")
        if not isinstance(data, dict):
            raise answer.unclear("Shopify answered without data")
        return data

    def _refuse(self, answered: Mapping[str, Any], answer: Answer) -> None:
        errors = _errors(answered)
        text = "; ".join(str(error.get("message")) for error in errors)
        codes = {_code(error) for error in errors}
        facts: dict[str, Any] = {"where": answer.url, "request_id": answer.request_id}
        if "ACCESS_DENIED" in codes:
            raise NeedsReauth(
                f"a scope is missing: {text}", code="TO6502", fix="give the app the scope it names", **facts
            )
        if "INTERNAL_SERVER_ERROR" in codes:
            raise answer.unclear(f"Shopify failed inside: {text}")
        if codes & {"undefinedField", "argumentNotAccepted"}:
            raise Drift(
                f"Shopify's schema is not the one of {VERSION}: {text}", code="TO6505", fix="report this", **facts
            )
        if errors:
            raise Fatal(f"Shopify does not understand the request: {text}", code="TO6506", fix="report this", **facts)
        for search in (answered.get("extensions") or {}).get("search") or ():
            if search.get("warnings"):  # an unknown filter is ignored, and everything comes back
                raise Fatal(
                    f"Shopify ignored a filter: {search['warnings']}", code="TO6506", fix="report this", **facts
                )

    def pages(
        self, document: str, find: Callable[[dict[str, Any]], Mapping[str, Any] | None], **variables: Any
    ) -> Iterator[list[dict[str, Any]]]:
        """The nodes of a connection, a page at a time, to its end. `find` takes the connection out of `data`."""
        after = None
        for _ in range(PAGES_MAX):
            connection = find(self.ask(document, after=after, **variables))
            if connection is None:
                return
            yield list(connection["nodes"])
            if not connection["pageInfo"]["hasNextPage"]:
                return
            after = connection["pageInfo"]["endCursor"]
        raise Fatal(f"more than {PAGES_MAX} pages", code="TO6506")


def _errors(answered: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = answered.get("errors")
    if isinstance(found, str):
        return [{"message": found}]
    return [error for error in found or () if isinstance(error, dict)]


def _code(error: Mapping[str, Any]) -> str:
    return str((error.get("extensions") or {}).get("code") or "")


def nodes(connection: Mapping[str, Any], what: str) -> list[dict[str, Any]]:
    """The nodes of a nested connection that must fit its page; Fatal where more would be left out silently."""
    if connection["pageInfo"]["hasNextPage"]:
        raise Fatal(
            f"{what} has more entries than one page takes", code="TO6507", fix="report this with the document's number"
        )
    return list(connection["nodes"])
