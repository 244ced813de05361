"""Stock counts: the latest one at or before an instant, summed per item, location, lot and condition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath

from tieout import Rejected, StockReport, StockRow
from tieout_files.config import StockConfig
from tieout_files.parse import Record
from tieout_files.rows import Damaged

RowsOf = Callable[[], Iterator[tuple[str, int, Record]]]
Key = tuple[str, str, str, str, str]


def report(config: StockConfig, files: Sequence[tuple[str, RowsOf]], as_of: datetime) -> StockReport | None:
    """The count dated latest among those at or before `as_of`; a date without a time means the end of that day.

    `Rejected` TO3175 names file and line of a row that cannot be read: a count with a row missing is not one.
    """
    latest: datetime | None = None
    sums: dict[Key, Decimal] = {}
    for name, rows in files:
        of_file = _of_file(config, name, as_of)
        if of_file is not None and (of_file > as_of or (latest is not None and of_file < latest)):
            continue
        try:
            for file, line, record in rows():
                if "$error" in record:
                    error = record["$error"]
                    raise _unreadable(error["message"], error["where"])
                when = of_file or _moment(config, str(record[config.as_of]), as_of, f"{file}:{line}")
                if when > as_of or (latest is not None and when < latest):
                    continue
                if latest is None or when > latest:
                    latest, sums = when, {}
                key, quantity = _row(config, record, f"{file}:{line}")
                sums[key] = sums.get(key, Decimal(0)) + quantity
        except Damaged as error:
            raise _unreadable(str(error), name) from None
        except KeyError as error:
            raise _unreadable(f"no column {error.args[0]!r}", name) from None
        if of_file is not None and (latest is None or of_file > latest):
            latest, sums = of_file, {}  # a count without rows: nothing on hand
    if latest is None:
        return None
    rows_out = tuple(
        StockRow(item, location, f"{quantity.normalize():f}", unit, condition, lot)
        for (item, location, unit, condition, lot), quantity in sorted(sums.items())
    )
    return StockReport(latest, rows_out, config.complete)


def _row(config: StockConfig, record: Record, where: str) -> tuple[Key, Decimal]:
    text = str(record[config.quantity]).strip()
    try:
        quantity = Decimal(text)
    except InvalidOperation:
        raise _unreadable(f"quantity {text!r} is not a number", where) from None
    if not quantity.is_finite() or "_" in text:
        raise _unreadable(f"quantity {text!r} is not a number", where)
    item = str(record[config.item])
    location = str(record[config.location]) if config.location else config.location_default
    unit, condition, lot = (str(record[c]) if c else "" for c in (config.unit, config.condition, config.lot))
    return (item, location, unit, condition, lot), quantity


def _of_file(config: StockConfig, name: str, as_of: datetime) -> datetime | None:
    if config.as_of_date:
        return datetime.combine(config.as_of_date, time.max, as_of.tzinfo)
    if not config.as_of_name:
        return None
    return _parse(PurePosixPath(name).name, config.as_of_name, as_of, name)


def _moment(config: StockConfig, text: str, as_of: datetime, where: str) -> datetime:
    if config.as_of_format:
        return _parse(text, config.as_of_format, as_of, where)
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time.max, as_of.tzinfo)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _unreadable(f"as-of {text!r} is not an ISO date", where) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=as_of.tzinfo)


def _parse(text: str, pattern: str, as_of: datetime, where: str) -> datetime:
    try:
        moment = datetime.strptime(text, pattern)
    except ValueError:
        raise _unreadable(f"{text!r} does not read as {pattern!r}", where) from None
    if not any(f"%{c}" in pattern for c in "HIcXT"):
        moment = datetime.combine(moment.date(), time.max)
    return moment if moment.tzinfo else moment.replace(tzinfo=as_of.tzinfo)


def _unreadable(message: str, where: str) -> Rejected:
    return Rejected(f"stock count: {message}", code="TO3175", where=where, fix="correct that row or file")
