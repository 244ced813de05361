"""Text → checked and compiled mapping. The checker and the compiler are the same reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from tieout.errors import MappingError
from tieout.mapping.compiled import CompiledMapping
from tieout.mapping.converters import CONVERTERS, plugin_converter
from tieout.mapping.read_file import read_mapping
from tieout.mapping.reader import Reader
from tieout.mapping.schema import Schema
from tieout.mapping.slips import Slip
from tieout.mapping.testing import run_tests
from tieout.mapping.tree import Node, TreeError, read_tree

Converters = Mapping[str, Callable[[Any], Any]]


def check(
    text: str,
    filename: str,
    source_schema: Schema | None = None,
    *,
    converters: Converters | None = None,
    files: Mapping[str, str] | None = None,
    run: bool = True,
) -> list[Slip]:
    """Every slip of a mapping file, in file order; offline. `run`: its tests are run too.

    `source_schema` is the JSON Schema of the stream's records, `converters` those of plugins, `files` the text of each
    lookup file by the name the mapping gives it (`lookup_files` says which).
    """
    return _compiled(text, filename, source_schema, converters, files, run=run)[1]


def compile_mapping(
    text: str,
    filename: str,
    source_schema: Schema | None = None,
    *,
    converters: Converters | None = None,
    files: Mapping[str, str] | None = None,
    run: bool = False,
) -> CompiledMapping:
    """A mapping ready to run; MappingError with all slips when it has any. Arguments as `check`."""
    mapping, slips = _compiled(text, filename, source_schema, converters, files, run=run)
    if mapping is None or slips:
        first = f"{slips[0]}" + (f" and {len(slips) - 1} more" if len(slips) > 1 else "")
        raise MappingError(
            f"mapping file has {len(slips)} slip{'s' if len(slips) != 1 else ''}: {first}",
            slips=list(slips),
            where=f"{slips[0].file}:{slips[0].line}:{slips[0].column}",
            fix=f"mend the slips; `tieout mapping check {filename}` lists them",
        )
    return mapping


def lookup_files(text: str) -> list[str]:
    """The names of the files the lookups of a mapping name, for the caller to read; none where the text is no mapping."""
    try:
        root = read_tree(text)
    except TreeError:
        return []
    lookups = root.value.get("lookups") if isinstance(root.value, dict) else None
    tables = lookups.value.values() if isinstance(lookups, Node) and isinstance(lookups.value, dict) else ()
    named = [table.value["file"].value for table in tables if isinstance(table.value, dict) and "file" in table.value]
    return [name for name in named if isinstance(name, str)]


def mapping_version(text: str, files: Mapping[str, str] | None = None) -> str:
    """What events store: 32 hex digits over the file's text and the tables it reads."""
    digest = sha256(text.encode(errors="surrogatepass"))
    for name in sorted(files or ()):
        digest.update(f"\x00{name}\x00".encode(errors="surrogatepass"))
        digest.update((files or {})[name].encode(errors="surrogatepass"))
    return digest.hexdigest()[:32]


def _compiled(
    text: str,
    filename: str,
    schema: Schema | None,
    converters: Converters | None,
    files: Mapping[str, str] | None,
    *,
    run: bool,
) -> tuple[CompiledMapping | None, list[Slip]]:
    try:
        root = read_tree(text)
    except TreeError as error:
        return None, [Slip(filename, error.line, error.column, "TO2002", error.message)]
    known = {**{name: plugin_converter(name, made) for name, made in (converters or {}).items()}, **CONVERTERS}
    reader = Reader(filename, known, schema)
    spec = read_mapping(reader, root, files or {})
    slips = sorted(set(reader.slips), key=lambda slip: (slip.line, slip.column, slip.what))
    if slips:
        return None, slips
    wanted = set(lookup_files(text))
    used = {name: content for name, content in (files or {}).items() if name in wanted}
    mapping = CompiledMapping(spec, mapping_version(text, used), filename)
    if run:
        failures = [outcome for outcome in run_tests(mapping) if not outcome.passed]
        slips = [
            Slip(filename, out.line, out.column, "TO2016", f"test {out.name!r}: {out.problem}") for out in failures
        ]
    return mapping, slips
