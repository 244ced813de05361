"""Every error tieout raises on purpose, as one tree, grouped by what the caller must do.

    TieoutError                  something a person can read and act on
    ├── UsageError               mend the command, the configuration, a mapping or a plan      (exit 2)
    │   ├── ConfigError
    │   └── MappingError
    ├── Refused                  this event or record cannot go on; it becomes an exception    (run goes on)
    ├── PluginError              a plugin failed to load or broke its contract                 (isolated)
    ├── StoreError               the database is missing, damaged, older, newer or locked      (exit 1)
    └── VendorError              the other side, by what to do next
        ├── Retryable            try again later, nothing was written
        ├── RateLimited          try again at `until`                                          (exit 75)
        ├── NeedsReauth          the grant was refused: a person reconnects                    (exit 4)
        ├── Rejected             this record or document was refused: exception
        ├── Drift                the vendor's schema changed under a mapped field: stream held
        ├── Fatal                configuration or bug: stop
        └── Ambiguous            a write was sent, its outcome is unknown: look it up first

Each error carries a stable code (`TO4101`), the place, the money affected and the fix as attributes; the codes and
what they mean are in `tieout.codes`, and `tieout explain TO4101` prints them.
"""

from __future__ import annotations

from typing import Any


class TieoutError(Exception):
    """Base of all. `code` is stable; `where` is a file:line:column, a document or a record; `amount` is money as text."""

    code: str = "TO0000"
    exit_code: int = 1

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        where: str | None = None,
        amount: str | None = None,
        fix: str | None = None,
        **data: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.where = where
        self.amount = amount
        self.fix = fix
        self.data = data

    def __str__(self) -> str:
        parts = [f"{self.code} {self.message}"]
        if self.where:
            parts.append(f"at {self.where}")
        if self.amount:
            parts.append(f"amount {self.amount}")
        if self.fix:
            parts.append(f"fix: {self.fix}")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-ready data, for `--json` output and exception rows."""
        return {
            "code": self.code,
            "message": self.message,
            "where": self.where,
            "amount": self.amount,
            "fix": self.fix,
            **({"data": self.data} if self.data else {}),
        }


class UsageError(TieoutError):
    """The command, a file or a plan must be mended by its author."""

    code = "TO1000"
    exit_code = 2


class ConfigError(UsageError):
    """`tieout.toml` or a file it names is wrong. `slips` holds every slip found, not only the first."""

    code = "TO1001"

    def __init__(self, message: str, *, slips: list[Any] | None = None, **kw: Any) -> None:
        super().__init__(message, **kw)
        self.slips = slips or []


class MappingError(UsageError):
    """A mapping file does not compile. `slips` holds every slip found, with file:line:column."""

    code = "TO2001"

    def __init__(self, message: str, *, slips: list[Any] | None = None, **kw: Any) -> None:
        super().__init__(message, **kw)
        self.slips = slips or []


class Refused(TieoutError):
    """One record or event cannot go on as it is: it becomes an exception with amount and fix; the others go on."""

    code = "TO4000"


class PluginError(TieoutError):
    """A plugin could not be loaded or broke its contract; only what it serves is stopped."""

    code = "TO9001"


class StoreError(TieoutError):
    """The database cannot be used as it is; the message says whether anything was written."""

    code = "TO8001"


class VendorError(TieoutError):
    """Something on the vendor's side; the subclass says what to do next."""

    code = "TO6000"


class Retryable(VendorError):
    """A passing fault; nothing was written. Retried with back-off."""

    code = "TO6001"
    exit_code = 75


class RateLimited(VendorError):
    """The vendor asked us to wait until `until` (UTC, epoch seconds). The job is rescheduled, it does not sleep."""

    code = "TO6002"
    exit_code = 75

    def __init__(self, message: str, *, until: float, **kw: Any) -> None:
        super().__init__(message, **kw)
        self.until = until


class NeedsReauth(VendorError):
    """The grant was explicitly refused; a person must connect again. No data is lost."""

    code = "TO6003"
    exit_code = 4


class Rejected(VendorError):
    """The vendor refused this record or document for a stated reason; it becomes an exception."""

    code = "TO6004"


class Drift(VendorError):
    """The vendor's schema changed under a mapped field; that stream is held until the mapping is mended."""

    code = "TO6005"
    exit_code = 5


class Fatal(VendorError):
    """Configuration or a bug: going on would do harm."""

    code = "TO6006"


class Ambiguous(VendorError):
    """A write was sent and its outcome is unknown: `find` comes before anything else."""

    code = "TO6007"
