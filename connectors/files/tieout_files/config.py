"""Configuration of a `files` connection: which files are which stream, and how each is written."""

from __future__ import annotations

import codecs
from datetime import date
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tieout_files.parse import Documents

Format = Literal["csv", "tsv", "jsonl", "xlsx"]
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}
Name = Annotated[str, Field(min_length=1)]


class FileConfig(BaseModel):
    """How files are found and written. Nothing is guessed: what differs from the defaults is stated."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: Name  # relative to the project folder; may hold * ? [] and **
    format: Format | None = None  # None: by suffix
    encoding: str = "utf-8-sig"
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    quote: str = Field(default='"', max_length=1)  # empty: the file does not quote
    header: bool = True
    columns: tuple[Name, ...] = ()  # the names where header = false
    names: dict[Name, Name] = Field(default_factory=dict)  # a column's name in the file → its name in the record
    skip_rows: int = Field(default=0, ge=0, le=1_000)
    decimal_comma: tuple[Name, ...] = ()
    sheet: str | None = None  # Excel: None is the first sheet

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            return codecs.lookup(value).name
        except LookupError:
            raise ValueError(f"encoding: {value!r} is not known (such as utf-8, cp1252, utf-16)") from None

    @field_validator("path")
    @classmethod
    def _no_way_up(cls, value: str) -> str:
        if ".." in PurePosixPath(value.replace("\\", "/")).parts:
            raise ValueError(f"path: {value!r} must not contain '..'")
        return value

    @model_validator(mode="after")
    def _header_or_columns(self) -> FileConfig:
        if not self.header and not self.columns and self.kind_of_file(self.path) != "jsonl":
            raise ValueError("columns: name the columns where header = false")
        if self.header and self.columns:
            raise ValueError("columns: either header = true (names come from the file) or columns, not both")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns: a name occurs twice")
        return self

    def kind_of_file(self, name: str) -> Format | None:
        """The format, stated or by suffix (`.gz` apart); None when neither says."""
        if self.format:
            return self.format
        suffixes = [s.lower() for s in PurePosixPath(name).suffixes if s.lower() != ".gz"]
        return _SUFFIXES.get(suffixes[-1]) if suffixes else None


class JoinConfig(FileConfig):
    """Another file whose rows belong to a record: as one object (`many = false`) or a list of them.

    `on`: column of the record → column of this file. This side is held in memory: at most 1,000,000 rows.
    """

    on: dict[Name, Name] = Field(min_length=1)
    name: Name = Field(alias="as")
    many: bool = False
    required: bool = True


class StockConfig(BaseModel):
    """Columns of a stock count, and its date: `as_of` (a column), `as_of_name` (strptime pattern of the whole file name)
    or `as_of_date` (stated). Rows of one item and location, such as its bins, are summed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    item: Name
    quantity: Name
    location: str = ""
    location_default: str = ""
    unit: str = ""
    condition: str = ""
    lot: str = ""
    as_of: str = ""
    as_of_format: str = ""  # strptime; empty: ISO 8601
    as_of_name: str = ""
    as_of_date: date | None = None
    complete: bool = True

    @model_validator(mode="after")
    def _dated(self) -> StockConfig:
        if bool(self.as_of) + bool(self.as_of_name) + bool(self.as_of_date) != 1:
            raise ValueError(
                "stock: state one of `as_of` (a column), `as_of_name` (a pattern of the file name), `as_of_date`"
            )
        if bool(self.location) == bool(self.location_default):
            raise ValueError("stock: state either `location` (a column) or `location_default` (one place)")
        return self


class StreamConfig(FileConfig):
    """One stream: its files, its identity, and how rows become records."""

    name: Name
    key: tuple[Name, ...] = ()
    revision: str | None = None
    row_number_per: tuple[Name, ...] = ()  # rows without an id: numbered from 1 within these columns, in file order
    row_number_as: Name = "row_number"
    group_by: tuple[Name, ...] = ()
    group_header: tuple[Name, ...] = ()
    group_adjacent: bool = True
    lines_as: Name = "lines"
    join: tuple[JoinConfig, ...] = ()
    kind: Literal["records", "stock", "master"] = "records"
    deletes: Literal["never", "sweep"] = "never"  # sweep: every file is a full snapshot
    dates_only: bool = False
    personal: tuple[Name, ...] = ()
    lag_seconds: int = Field(default=0, ge=0)
    order: Literal["name", "mtime"] = "name"
    page_size: int = Field(default=2_000, ge=1, le=100_000)
    settle_seconds: int = Field(default=2, ge=0, le=86_400)
    stock: StockConfig | None = None

    @cached_property
    def documents(self) -> Documents:
        """Numbering and grouping, as stored with each page."""
        return Documents(
            self.row_number_per,
            self.row_number_as,
            self.group_by,
            self.group_header,
            self.lines_as,
            self.group_adjacent,
        )

    @model_validator(mode="before")
    @classmethod
    def _default_key(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("key"):
            key: list[str] = []
            if data.get("group_by"):
                key = list(data["group_by"])
            elif data.get("row_number_per"):
                key = [*data["row_number_per"], data.get("row_number_as", "row_number")]
            elif isinstance(data.get("stock"), dict):
                key = [v for k in ("as_of", "location", "item", "lot") if (v := data["stock"].get(k))]
            return {**data, "key": key}
        return data

    @model_validator(mode="after")
    def _whole(self) -> StreamConfig:
        if not self.key:
            raise ValueError("key: name the columns that identify a row, or row_number_per, or group_by")
        if (self.kind == "stock") != (self.stock is not None):
            raise ValueError('stock: a stream with kind = "stock" has a `stock` table, and no other stream has one')
        if self.group_by and not set(self.key) <= {*self.group_by, *self.group_header, *(j.name for j in self.join)}:
            raise ValueError("key: of a grouped stream may only use columns of group_by and group_header")
        return self


class FilesConfig(BaseModel):
    """A `files` connection. `folders`: absolute folders outside the project that may be read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    streams: tuple[StreamConfig, ...] = Field(min_length=1)
    folders: tuple[Path, ...] = ()

    @field_validator("folders")
    @classmethod
    def _absolute(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for folder in value:
            if not folder.is_absolute():
                raise ValueError(f"folders: {str(folder)!r} is not absolute")
        return value

    @model_validator(mode="after")
    def _distinct(self) -> FilesConfig:
        names = [s.name for s in self.streams]
        if len(set(names)) != len(names):
            raise ValueError("streams: two streams have the same name")
        if sum(s.kind == "stock" for s in self.streams) > 1:
            raise ValueError('streams: one stream of kind = "stock" per connection')
        return self
