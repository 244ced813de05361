"""The configuration of a project: `tieout.toml`, the account maps it names, and the secrets it refers to.

`load` gives a `Project` or raises ConfigError with every slip; `check` gives the slips; `show` each value with its
origin; `schema` and `reference_markdown` describe the file.
"""

from tieout.config.loading import FILE, check, check_accounts, examine, load
from tieout.config.project import Company, Connection, Posting, Project, Scope, Stream
from tieout.config.reference import reference_markdown, schema
from tieout.config.secret import Secret
from tieout.config.show import Shown, show
from tieout.config.slip import Slip

__all__ = [
    "FILE",
    "Company",
    "Connection",
    "Posting",
    "Project",
    "Scope",
    "Secret",
    "Shown",
    "Slip",
    "Stream",
    "check",
    "check_accounts",
    "examine",
    "load",
    "reference_markdown",
    "schema",
    "show",
]
