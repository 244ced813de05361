"""The mapping language: vendor records → event lines, declared in YAML, checked offline, run by columns.

Pure: no files, network or clock. `compile_mapping(text, name)` gives a `CompiledMapping`; `check` gives every slip.
"""

from tieout.mapping.compiled import CompiledMapping, MapContext, MapResult
from tieout.mapping.compiler import check, compile_mapping, lookup_files, mapping_version
from tieout.mapping.coverage import Coverage, coverage
from tieout.mapping.drift import Drifted, SourcePath
from tieout.mapping.editors import schema_for_editors
from tieout.mapping.frames import Failed, Skipped
from tieout.mapping.identity import content_key, event_key
from tieout.mapping.reference import Explained, explain, explain_markdown, reference_markdown
from tieout.mapping.slips import Slip
from tieout.mapping.testing import TestOutcome, run_tests

__all__ = [
    "CompiledMapping",
    "Coverage",
    "Drifted",
    "Explained",
    "Failed",
    "MapContext",
    "MapResult",
    "Skipped",
    "Slip",
    "SourcePath",
    "TestOutcome",
    "check",
    "compile_mapping",
    "content_key",
    "coverage",
    "event_key",
    "explain",
    "explain_markdown",
    "lookup_files",
    "mapping_version",
    "reference_markdown",
    "run_tests",
    "schema_for_editors",
]
