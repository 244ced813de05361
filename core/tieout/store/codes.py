"""Error codes of the store."""

from __future__ import annotations

# code -> (title, what it means, what to do)
CODES: dict[str, tuple[str, str, str]] = {
    "TO8001": (
        "store error",
        "The database answered with an error we know no better name for.",
        "Read the message; run `tieout db verify`.",
    ),
    "TO8002": (
        "no database",
        "There is no database at the configured place.",
        "Run `tieout init`, or mend `[store] url` in tieout.toml.",
    ),
    "TO8003": (
        "not a tieout database",
        "The file is something else; it was not touched.",
        "Point `[store] url` at the right file.",
    ),
    "TO8004": (
        "database damaged",
        "The file is not a sound database any more. Nothing is repaired silently.",
        "Run `tieout db restore BACKUP`.",
    ),
    "TO8005": (
        "database older than the program",
        "The tables are of an earlier release.",
        "Take a backup, then run `tieout db upgrade`.",
    ),
    "TO8006": (
        "database newer than the program",
        "A later release has upgraded it; this one would write wrongly.",
        "Install the release named, or restore a backup.",
    ),
    "TO8007": (
        "database busy",
        "Another process kept the write lock for longer than 30 seconds. Nothing was written.",
        "Run the command again; see who holds it with `tieout doctor`.",
    ),
    "TO8008": (
        "database cannot be written",
        "The disk is full, read-only or failing. The transaction was undone.",
        "Make room or mend the disk, then run again.",
    ),
    "TO8009": (
        "network file system",
        "SQLite loses data on network file systems, because their locks do not hold.",
        "Put the database on a local disk, or use PostgreSQL.",
    ),
    "TO8010": (
        "append-only",
        "Facts are never changed or deleted; something tried to.",
        "Correct by a further record; report it if tieout itself tried.",
    ),
    "TO8011": (
        "write inside a write",
        "A transaction was opened inside another one.",
        "Report it: this is a fault of the program or of a plugin.",
    ),
    "TO8012": (
        "backup failed",
        "The copy was not made, or is not sound. The database itself is untouched.",
        "Read the message; take the backup to another place.",
    ),
    "TO8013": (
        "backup not usable",
        "The backup's checksum or content is wrong, so nothing was restored.",
        "Take another backup file.",
    ),
    "TO8014": (
        "unknown name",
        "A row points to a name that the database does not hold.",
        "Run `tieout db verify`; restore a backup if it reports damage.",
    ),
    "TO8015": (
        "unknown master record",
        "No item, location or party has this code.",
        "Look it up with `tieout items list`, or import it.",
    ),
    "TO8016": (
        "master data refused",
        "A row of an imported file is wrong; nothing of the file was taken.",
        "Mend the row named and import again.",
    ),
    "TO8017": (
        "unknown exception",
        "No exception has this number, or it is closed already.",
        "List them with `tieout exceptions list`.",
    ),
    "TO8018": (
        "reason missing",
        "Ignoring or resolving an exception by hand needs a reason, which the auditor will read.",
        "Give `--reason`.",
    ),
    "TO8021": (
        "no driver for PostgreSQL",
        "The database is a PostgreSQL server, and the package that talks to it is not installed.",
        "Run `pip install 'tieout[postgres]'`.",
    ),
    "TO8022": (
        "connection to the database lost",
        "The server went away or refused the connection. A commit under way may or may not have arrived; the next run looks.",
        "See that the server is up, then run again. Nothing is done twice.",
    ),
    "TO8023": (
        "server forgets commits",
        "The PostgreSQL server acknowledges commits before they are safe (`synchronous_commit = off`).",
        "Set `synchronous_commit = on` for the database or the role; `tieout doctor` looks at the other settings.",
    ),
    "TO8025": (
        "workers need PostgreSQL",
        "`tieout worker` shares the work of a project on a PostgreSQL server; an SQLite file has one writer.",
        "Use `tieout serve` on one machine, or move the project: `tieout db move postgresql://…`.",
    ),
    "TO8026": (
        "workers not installed",
        "`tieout worker` needs a package that is not part of the smallest installation.",
        "Run `pip install 'tieout[workers]'`.",
    ),
    "TO8027": (
        "target not empty",
        "A project moves only into an empty database. Nothing was moved.",
        "Name an empty database (`createdb`, or a file that is not there).",
    ),
    "TO8028": (
        "tables do not tie out",
        "A table in the new database is not what it was in the old one. Nothing was moved.",
        "Run `tieout db verify` on the old database, then move again.",
    ),
    "TO8029": (
        "database moved elsewhere",
        "`tieout db move` took everything to another database; this one stays as it was on that day.",
        "Name the new database in `store` of tieout.toml. To come back, move from there into an empty database.",
    ),
    "TO8024": (
        "wrong row of a file of facts",
        "A row of a file of bills of materials, routings, prices, rates, standard costs or evidence cannot be read.",
        "Mend the rows the message names; docs/value.md lists the columns of each table. Then import again.",
    ),
    "TO8020": (
        "a parked delivery",
        "The exception is an entry whose outcome is unknown. Closing the exception would leave its chain waiting for ever.",
        "`tieout entries show ID`, then `tieout entries decide ID --posted-as LEDGER_ID` or `--absent`.",
    ),
    "TO8019": (
        "journal and cost disagree",
        "What is posted for a movement is not what its events, valued again, say it cost.",
        "Run `tieout db verify`; it names the cache or the entry that was changed. Then `tieout plan`.",
    ),
}
