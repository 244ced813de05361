"""The mapping language: vendor records → event lines, declared in YAML, checked offline, run by columns.

Pure: no files, network or clock. `compile_mapping(text, name)` gives a `CompiledMapping`; `check` gives every slip.
"""

from tieout.mapping.compiled import CompiledMapping, MapContext, MapResult
from tieout.mapping.compiler import check, compile_mapping, lookup_files, mapping_version
from tieout.mapping.drift import Drifted, SourcePath
from tieout.mapping.frames import Failed, Skipped
from tieout.mapping.identity import content_key, event_key
from tieout.mapping.slips import Slip
from tieout.mapping.testing import TestOutcome, run_tests

__all__ = [
    "CompiledMapping",
    "Drifted",
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
    "event_key",
    "lookup_files",
    "mapping_version",
    "run_tests",
]
