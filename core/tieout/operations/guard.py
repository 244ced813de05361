"""Between the core and a plugin's connector: what it prints goes to stderr, and what it raises or answers against the
contract becomes a PluginError that names it. Everything else passes through untouched.

A ledger's own exceptions are left as they are: delivery already treats them as an unknown outcome, which is looked up.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from functools import wraps
from typing import Any, Final

from tieout.connector import Finding, Page, StockReport, Stream
from tieout.errors import PluginError, TieoutError

LOOKED_AT: Final = 20  # records of a page that are searched for floats: who makes one makes them everywhere
_SOURCE: Final = ("check", "streams", "stock", "decode", "verify_webhook")
_LEDGER: Final = ("accounts", "locked_through", "render", "join", "deliver", "deliver_many", "find", "balances")


def hold(make: Callable[[], Any], name: str) -> Any:
    """The connector that `make` makes, its methods guarded. `name` is what errors call it."""
    with _inside(name, "its making", converts=True):
        connector = make()
    for method in (*_SOURCE, *_LEDGER):
        if callable(getattr(connector, method, None)):
            with suppress(AttributeError):  # an instance without a place for it goes unguarded
                setattr(connector, method, _held(getattr(connector, method), name, method, converts=method in _SOURCE))
    for method in ("pull", "entries"):
        if callable(getattr(connector, method, None)):
            with suppress(AttributeError):
                setattr(connector, method, _streamed(getattr(connector, method), name, method))
    return connector


def _held(call: Callable[..., Any], name: str, method: str, *, converts: bool) -> Callable[..., Any]:
    @wraps(call)
    def held(*given: Any, **more: Any) -> Any:
        with _inside(name, method, converts=converts):
            answer = call(*given, **more)
            if converts:
                _fits(answer, name, method)
            return answer

    return held


def _streamed(call: Callable[..., Any], name: str, method: str) -> Callable[..., Iterator[Any]]:
    @wraps(call)
    def streamed(*given: Any, **more: Any) -> Iterator[Any]:
        converts = method == "pull"
        with _inside(name, method, converts=converts):
            found = iter(call(*given, **more))
        while True:
            with _inside(name, method, converts=converts):
                one = next(found, None)
            if one is None:
                return
            if converts:
                _is_page(one, name)
            yield one

    return streamed


@contextmanager
def _inside(name: str, method: str, *, converts: bool) -> Iterator[None]:
    try:
        with redirect_stdout(sys.stderr):
            yield
    except TieoutError:
        raise
    except Exception as error:
        if not converts:
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise PluginError(
            f"{name} failed in {method}: {type(error).__name__}: {error}",
            code="TO9013",
            where=f"{last.filename}:{last.lineno} in {last.name}",
            fix="upgrade the plugin or tell its author; nothing was lost, its stream goes on from where it was",
        ) from error


def _broke(name: str, what: str) -> PluginError:
    return PluginError(f"{name} {what}", code="TO9014", fix="upgrade the plugin or tell its author")


def _fits(answer: Any, name: str, method: str) -> None:
    wanted: dict[str, type] = {"check": Finding, "streams": Stream}
    if method in wanted:
        if not isinstance(answer, (list, tuple)) or not all(isinstance(each, wanted[method]) for each in answer):
            raise _broke(name, f"answered {type(answer).__name__} to {method}, not a list of {wanted[method].__name__}")
    elif method == "stock" and answer is not None:
        exact = isinstance(answer, StockReport) and all(isinstance(row.quantity, str) for row in answer.rows)
        if not exact:
            raise _broke(name, "answered something else than exact quantities to stock")


def _is_page(page: Any, name: str) -> None:
    if not isinstance(page, Page):
        raise _broke(name, f"handed over {type(page).__name__} in the place of a page")
    cursor: object = page.cursor
    if not isinstance(cursor, str) or not cursor:
        raise _broke(name, f"handed over a page whose cursor is {cursor!r}")
    for record in page.records:
        if type(record) is not dict and not isinstance(record, Mapping):
            raise _broke(name, f"handed over {type(record).__name__} in the place of a record")
    if any(_has_float(record) for record in page.records[:LOOKED_AT]):
        raise _broke(name, "handed over a binary fraction; amounts and quantities are exact or not at all")


def _has_float(value: Any) -> bool:
    kind = type(value)
    if kind is str or kind is int or value is None:
        return False
    if kind is float:
        return True
    if isinstance(value, Mapping):
        return any(_has_float(inner) for inner in value.values())
    if isinstance(value, (list, tuple)):
        return any(_has_float(inner) for inner in value)
    return False
