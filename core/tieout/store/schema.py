"""Every table, in one place.

Facts are append-only (page, batch, event, superseded, booking, receipt, act …): triggers refuse UPDATE and DELETE. The rest
is work in hand (lane, cursor, entry state) or a cache that can be rebuilt (checkpoint). About two rows a movement: one
`event`, one `booking`. Money and quantities are 64-bit integers; names are interned in `name`; the company is part of every key.

    page ─▶ event ─▶ booking ─▶ entry ─▶ receipt          a record is (page, index); a booking is a pair of legs
      └ batch ┘ └ superseded        └ attempt             an entry is a group of bookings and its outbox row

Changing a table here takes a new migration in `migrations/versions` and a new `SCHEMA_VERSION`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes INTEGER PRIMARY KEY the rowid; PostgreSQL needs BIGINT.
Id = BigInteger().with_variant(Integer, "sqlite")
Micros = BigInteger  # UTC microseconds since 1970
Minor = BigInteger  # minor units of the company's currency
Millionths = BigInteger  # of the item's stock unit
Digest = LargeBinary(16)


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True, autoincrement=True)


# ── who and what ───────────────────────────────────────────────────────────────────────────────────────────────────
meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))

company = Table(
    "company",
    metadata,
    _id(),
    Column("code", String, nullable=False, unique=True),
    Column("currency", String(3), nullable=False),
    Column("timezone", String, nullable=False),
)

# Interned words: item, location, party, channel, reason, type, source (connection/stream), row … Append-only: rows point here.
name = Table(
    "name",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("text", String, nullable=False),
    UniqueConstraint("company", "kind", "text"),
)

# Master data as last taught; history is in `act`. kind: item, location, party. body: JSON of the model.
master = Table(
    "master",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("code", String, nullable=False),
    Column("effective", Date, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("company", "kind", "code", "effective"),
)

# Cross-reference from a vendor's id (per connection, or '' for all) to ours, effective-dated.
alias = Table(
    "alias",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("connection", String, nullable=False),
    Column("external", String, nullable=False),
    Column("code", String, nullable=False),
    Column("effective", Date, nullable=False),
    UniqueConstraint("company", "kind", "connection", "external", "effective"),
)

# Facts that hold from a day on (bills of materials, routings, prices, rates, evidence); history is in `act`. body: JSON rows.
fact = Table(
    "fact",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("code", String, nullable=False),
    Column("effective", Date, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("company", "kind", "code", "effective"),
)

# ── landed facts ───────────────────────────────────────────────────────────────────────────────────────────────────
page = Table(
    "page",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("batch", Id, nullable=False),
    Column("source", Integer, nullable=False),  # name.id of kind source
    Column("records", Integer, nullable=False),
    Column("codec", String, nullable=False),  # of the bytes: 'json', 'csv' …; the body is always zlib over them
    Column("sha256", LargeBinary(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_page_batch", "batch"),
)

# One landing transaction: SLA stamps and the audit chain. Counts are of this batch; its record and
# event rows lie between from and to (0, -1 when it has none). `digest` is over pages, records, event lines and supersessions, so an
# altered row of any of them breaks the chain.
batch = Table(
    "batch",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("source", Integer, nullable=False),
    Column("received_at", Micros, nullable=False),
    Column("mapped_at", Micros, nullable=False),
    Column("mapping", String, nullable=False),  # version of the mapping that made the events
    Column("records", Integer, nullable=False),
    Column("events", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("repeated", Integer, nullable=False, server_default="0"),  # of them sent twice within this batch
    Column("late_revisions", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("record_from", Id, nullable=False),
    Column("record_to", Id, nullable=False),
    Column("event_from", Id, nullable=False),
    Column("event_to", Id, nullable=False),
    Column("run", String, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("prev_hash", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

# A record as (source, vendor key, revision, content): what dedup is decided on. `page`/`idx` is where its bytes are (null
# for a deletion). `n` counts the landings of one key: unique, so two writers can never land the same revision twice.
# The source's name belongs to one company, so company need not be in the index; narrow matters here.
record = Table(
    "record",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("batch", Id, nullable=False),
    Column("source", Integer, nullable=False),
    Column("key", Digest, nullable=False),
    Column("n", Integer, nullable=False),
    Column("revision", String, nullable=False),
    Column("content", Digest, nullable=False),
    Column("page", Id),
    Column("idx", Integer, nullable=False),
    Column("state", SmallInteger, nullable=False),  # 0 mapped, 1 skipped, 2 failed, 3 late older revision, 4 deletion
    Index("uq_record_key", "source", "key", "n", unique=True),
)

# One line of one canonical event: model.event.EventLine, interned. `document`, `ref` and `extra` are null on plain movements;
# lot, owner and a phase other than the type's own travel in `extra`.
event = Table(
    "event",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("batch", Id, nullable=False),
    Column("record", Id, nullable=False),
    Column("key", Digest, nullable=False),  # event_id
    Column("n", Integer, nullable=False),  # line number inside the event, from 0
    Column("line_id", String),
    Column("type", Integer, nullable=False),
    Column("source", Integer, nullable=False),
    Column("at", Micros, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("item", Integer),
    Column("quantity", Millionths, nullable=False),
    Column("location", Integer),
    Column("to_location", Integer),
    Column("amount", Minor),
    Column("reason", Integer),
    Column("party", Integer),
    Column("channel", Integer),
    Column("document", String),
    Column("ref", String),
    Column("extra", Text),  # JSON
    Column("recorded_at", Micros),  # when the source learned of it, where it says so
    Index("ix_event_record", "record"),
    Index("ix_event_key", "key"),
    Index(
        "ix_event_document",
        "company",
        "document",
        sqlite_where=text("document IS NOT NULL"),
        postgresql_where=text("document IS NOT NULL"),
    ),
    Index("ix_event_ref", "ref", sqlite_where=text("ref IS NOT NULL"), postgresql_where=text("ref IS NOT NULL")),
)

# Which event lines move an item, in order of time: an index of `event`, kept as a table of its own because rows can be
# put into it in order. Ten thousand lines of a batch then touch each of its pages once, which costs a third.
movement = Table(
    "movement",
    metadata,
    Column("company", Integer, primary_key=True, autoincrement=False),
    Column("item", Integer, primary_key=True, autoincrement=False),
    Column("at", Micros, primary_key=True, autoincrement=False),
    Column("event", Id, primary_key=True, autoincrement=False),
    Column("batch", Id, nullable=False),
    sqlite_with_rowid=False,
)

# Event lines that no longer count: replaced by a newer revision, voided, deleted at the source, re-mapped.
superseded = Table(
    "superseded",
    metadata,
    Column("event", Id, ForeignKey("event.id"), primary_key=True, autoincrement=False),
    Column("batch", Id, nullable=False),
    Column("why", SmallInteger, nullable=False),  # 0 newer revision, 1 cancelled or voided, 2 deleted, 3 re-mapped
    Index("ix_superseded_batch", "batch"),
)

# Items an event line touches beside its own (landed-cost targets by document, SKU merges), as resolved when valued.
touch = Table(
    "touch",
    metadata,
    Column("company", Integer, primary_key=True),
    Column("item", Integer, primary_key=True),
    Column("event", Id, primary_key=True, autoincrement=False),
)

# ── the journal ────────────────────────────────────────────────────────────────────────────────────────────────────
leg = Table(
    "leg",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("role", String, nullable=False),
    Column("account", String, nullable=False),
    Column("location", Integer),
    Column("dimensions", String, nullable=False),  # canonical JSON, '{}' for none
    UniqueConstraint("company", "role", "account", "location", "dimensions"),
)

# A pair: `amount` from `credit` to `debit`, `quantity` units with it. `affected` is the movement whose cost it restates.
booking = Table(
    "booking",
    metadata,
    _id(),
    Column("entry", Id, nullable=False),
    Column("event", Id, nullable=False),
    Column("affected", Id),
    Column("debit", Integer, nullable=False),
    Column("credit", Integer, nullable=False),
    Column("amount", Minor, nullable=False),
    Column("quantity", Millionths, nullable=False),
    Column("item", Integer),
    Column("credit_item", Integer),
    Column("day", Integer, nullable=False),  # effective date, proleptic ordinal
    Column("row", Integer, nullable=False),  # name.id of kind row
    Column("flags", SmallInteger, nullable=False),  # 1 provisional, 2 correction; component in bits 4-7
    Column("layers", Text),  # JSON [[origin event id (row), quantity, value], …]; null when there is no trace
    Index("ix_booking_event", "event"),
    Index("ix_booking_entry", "entry"),
)

# A group of bookings and its outbox row. `day` is the posting date. See docs/guarantees.md for the states.
entry = Table(
    "entry",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("ledger", String, nullable=False),  # connection id
    Column("number", Integer),  # gap-free per company, given at sealing
    Column("kind", String, nullable=False),  # journal, bill, vendor_credit …, external
    Column("mode", String, nullable=False),  # post, propose, shadow
    Column("day", Date, nullable=False),
    Column("grouping", String, nullable=False),  # canonical text of the group's key
    Column("n", Integer, nullable=False),  # further entry of the same group after sealing
    Column("part", Integer, nullable=False),
    Column("period", String, nullable=False),
    Column("corrects", String),  # period corrected when posted later than effective
    Column("lineage", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("reference", String),
    Column("key", String),
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("body", LargeBinary),  # exact request bytes
    Column("document", Text),  # canonical document, JSON, fixed at sealing
    Column("document_number", String),
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("deadline", Micros),
    Column("not_before", Micros),
    Column("preparer", String, nullable=False, server_default=""),  # who opened it; cannot approve it
    Column("created_at", Micros, nullable=False),
    Column("sealed_at", Micros),
    Column("sent_at", Micros),
    Column("acknowledged_at", Micros),
    Column("ledger_id", String),
    Column("error", Text),  # JSON of the last error
    UniqueConstraint("company", "ledger", "mode", "grouping", "n", "part", "revision"),
    Index("ix_entry_state", "company", "state"),
    Index("ix_entry_reference", "company", "reference"),
)

# What a ledger said it holds, each time it said so.
receipt = Table(
    "receipt",
    metadata,
    _id(),
    Column("entry", Id, nullable=False, index=True),
    Column("at", Micros, nullable=False),
    Column("ledger_id", String, nullable=False),
    Column("revision", String, nullable=False),
    Column("body", Text, nullable=False),
)

# Every write sent to a vendor.
attempt = Table(
    "attempt",
    metadata,
    _id(),
    Column("entry", Id, nullable=False, index=True),
    Column("n", Integer, nullable=False),
    Column("at", Micros, nullable=False),
    Column("key", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("detail", Text),
)

# ── people ─────────────────────────────────────────────────────────────────────────────────────────────────────────
exception = Table(
    "exception",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("stage", String, nullable=False),  # pull, map, resolve, value, post, deliver, reconcile
    Column("code", String, nullable=False),
    Column("subject", String, nullable=False),  # what it is about, unique while open: record or event key
    Column("record", Id),
    Column("event", Id),
    Column("entry", Id),
    Column("message", Text, nullable=False),
    Column("fix", Text),
    Column("amount", Minor),
    Column("state", String, nullable=False),  # open, resolved, ignored
    Column("owner", String),
    Column("times", Integer, nullable=False),  # how often it came up while open
    Column("opened_at", Micros, nullable=False),
    Column("closed_at", Micros),
    Column("closed_why", Text),
    Column("data", Text),  # JSON: what is unknown, the record as landed
    Index("ix_exception_state", "company", "state"),
    Index("ix_exception_record", "record"),
    Index(
        "uq_exception_subject",
        "company",
        "stage",
        "subject",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
)

# Everything anybody did: people and runs. Append-only, hash-chained per company (reliability, audit).
act = Table(
    "act",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("at", Micros, nullable=False),
    Column("actor", String, nullable=False),
    Column("what", String, nullable=False),  # 'exception.ignore', 'approval.approve', 'alias.add' …
    Column("subject", String, nullable=False),
    Column("data", Text, nullable=False),
    Column("prev_hash", LargeBinary(32), nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    Index("ix_act_subject", "company", "subject"),
)

# ── work in hand and caches ────────────────────────────────────────────────────────────────────────────────────────
cursor = Table(
    "cursor",
    metadata,
    Column("company", Integer, primary_key=True),
    Column("source", Integer, primary_key=True),
    Column("cursor", Text),
    Column("watermark", Micros),
    Column("pulled_at", Micros),
    Column("held", Text),  # JSON of a Drift that holds the stream
    Column("sweep", Text),  # JSON: a complete sweep in progress
    Column("shown", Text),  # JSON: the types the mapped fields had so far
)

# Record keys a complete sweep in progress has listed so far; emptied when it ends.
seen = Table(
    "seen",
    metadata,
    Column("source", Integer, primary_key=True, autoincrement=False),
    Column("key", Digest, primary_key=True),
)

# Data keys, each sealed with the master key (`store.vault`); the newest one of a company seals, older ones still open.
vault_key = Table(
    "vault_key",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("master", String, nullable=False),  # fingerprint of the master key that sealed it
    Column("sealed", LargeBinary, nullable=False),
    Column("made_at", Micros, nullable=False),
    Index("ix_vault_key_company", "company"),
)

# Grants of connections, sealed: the newest generation counts, the one before is kept in case its successor was lost.
token_set = Table(
    "token_set",
    metadata,
    Column("company", Integer, primary_key=True),
    Column("connection", String, primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("data_key", Id, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("saved_at", Micros, nullable=False),
)

# What is to be drained, by whom, not before when: one row per lane (pull:…, books:…, deliver:…).
lane = Table(
    "lane",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("what", String, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("holder", String),
    Column("expires_at", Micros),
    Column("not_before", Micros),
    Column("last_served", Micros),
    Column("wanted", BigInteger, nullable=False, server_default="0"),  # how often it was asked for
    Column("progress", BigInteger, nullable=False),  # of these, the last one that is answered
    UniqueConstraint("company", "what"),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("company", Integer, primary_key=True),
    Column("item", Integer, primary_key=True),
    Column("at", Micros, primary_key=True, autoincrement=False),
    Column("order_key", Text, nullable=False),  # JSON of the last event's order key
    Column("state", LargeBinary, nullable=False),
)

# What the valuation state of an item is worth now, per control role: the subledger side of the tie-out, without replay.
holding = Table(
    "holding",
    metadata,
    Column("company", Integer, primary_key=True),
    Column("item", Integer, primary_key=True),
    Column("role", String, primary_key=True),
    Column("quantity", Millionths, nullable=False),
    Column("value", Minor, nullable=False),
)

# A source's stock report as received, and the ledger's balances as read: evidence for the tie-out.
snapshot = Table(
    "snapshot",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("what", String, nullable=False),  # stock:CONNECTION, balances:CONNECTION
    Column("as_of", Micros, nullable=False),
    Column("taken_at", Micros, nullable=False),
    Column("body", Text, nullable=False),
)

# Texts that later rows point to by version: mappings, policies, account maps, configuration.
version = Table(
    "version",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("version", String, nullable=False),
    Column("first_used", Micros, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("company", "kind", "version"),
)

# A schedule's firing: unique by what and when it was planned, so that several schedulers fire it once. `missed`: planned
# instants before it that nobody was there for and that it stands for.
firing = Table(
    "firing",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("schedule", String, nullable=False),
    Column("planned_at", Micros, nullable=False),
    Column("started_at", Micros, nullable=False),
    Column("ended_at", Micros),
    Column("missed", Integer, nullable=False),
    Column("holder", String, nullable=False),
    Column("outcome", String, nullable=False),  # running, done, failed, put_off
    Column("detail", Text),
    UniqueConstraint("company", "schedule", "planned_at"),
)

# A schedule that a person stopped, until it is resumed.
paused = Table(
    "paused",
    metadata,
    Column("company", Integer, primary_key=True),
    Column("schedule", String, primary_key=True),
    Column("since", Micros, nullable=False),
    Column("actor", String, nullable=False),
    Column("reason", Text, nullable=False),
)

# Each time the books took something in: batches up to `batch_to` whole, bookings up to `booking_to`. A booking was posted
# by the first row of its company that reaches it.
kept = Table(
    "kept",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("at", Micros, nullable=False),
    Column("batch_to", Id, nullable=False),
    Column("booking_to", Id, nullable=False),
    Index("ix_kept_company", "company"),
)

# Something people were told of, once per cause while it lasts.
alert = Table(
    "alert",
    metadata,
    _id(),
    Column("company", Integer, nullable=False),
    Column("cause", String, nullable=False),  # freshness:shop/orders, outage:shop, latency:shop/orders:2026-03 …
    Column("level", String, nullable=False),  # warn, error
    Column("owner", String, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("data", Text, nullable=False),  # JSON
    Column("opened_at", Micros, nullable=False),
    Column("told_at", Micros),  # null: still to be told
    Column("told_level", String),
    Column("taken_by", String),
    Column("taken_at", Micros),
    Column("escalated_at", Micros),
    Column("closed_at", Micros),
    Column("closed_told_at", Micros),
    Index(
        "uq_alert_cause",
        "company",
        "cause",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)

# What the processes of a project share of a vendor account's budget: a window in hand, or when calls may go on.
budget = Table(
    "budget",
    metadata,
    Column("account", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("ends_at", Micros, nullable=False),
    Column("taken", BigInteger, nullable=False),
    Column("closed_until", Micros, nullable=False),
    Column("failures", Integer, nullable=False),
)

run = Table(
    "run",
    metadata,
    _id(),
    Column("name", String, nullable=False, unique=True),
    Column("company", Integer, nullable=False),
    Column("actor", String, nullable=False),
    Column("started_at", Micros, nullable=False),
    Column("ended_at", Micros),
    Column("summary", Text),
)

APPEND_ONLY = (
    "name",
    "page",
    "batch",
    "record",
    "event",
    "movement",
    "superseded",
    "leg",
    "booking",
    "receipt",
    "attempt",
    "act",
    "snapshot",
    "version",
)
