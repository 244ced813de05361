"""Interned words: a name per (company, kind, text), so that rows carry small integers.

Sets go in and out, never single words: one select per batch for what the cache does not hold. Ids are stable and the
table is append-only, so a cached pair is true for ever, in every process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tieout.errors import StoreError
from tieout.store.schema import name
from tieout.store.tx import Tx

CACHED_NAMES_MAX = 400_000


class Names:
    """The names of one company. Keep one for the life of the process; it forgets what a rolled-back transaction added."""

    def __init__(self, company: int) -> None:
        self.company = company
        self._ids: dict[str, dict[str, int]] = {}
        self._texts: dict[int, str] = {}

    def intern(self, tx: Tx, kind: str, texts: Iterable[str]) -> Mapping[str, int]:
        """Ids of these words, made where new. The mapping returned holds at least them; do not change it."""
        known = self._ids.setdefault(kind, {})
        missing = {word for word in texts if word not in known}  # `- known.keys()` would walk all that is known
        if missing:
            self._bound()
            known = self._ids.setdefault(kind, {})
            self._learn(known, self._found(tx, kind, missing))
            new = sorted(missing - known.keys())
            if new:
                ids = tx.allocate(name, len(new))
                rows = [(number, self.company, kind, word) for number, word in zip(ids, new, strict=True)]
                tx.insert(name, ("id", "company", "kind", "text"), rows)
                tx.on_rollback.append(self.forget)
                self._learn(known, [(number, word) for number, _, _, word in rows])
        return known

    def find(self, tx: Tx, kind: str, texts: Iterable[str]) -> dict[str, int]:
        """Ids of those words that are known; the others are left out. Writes nothing."""
        wanted = set(texts)
        known = self._ids.setdefault(kind, {})
        self._learn(known, self._found(tx, kind, {word for word in wanted if word not in known}))
        return {word: known[word] for word in wanted if word in known}

    def texts(self, tx: Tx, ids: Iterable[int | None]) -> Mapping[int, str]:
        """Words of these ids. The mapping returned holds at least them; do not change it. Unknown id: StoreError TO8014."""
        known = self._texts
        missing = {number for number in ids if number is not None and number not in known}
        if missing:
            self._bound()
            for number, kind, word in tx.select_keys(name, ("id", "kind", "text"), "id", missing):
                self._texts[number] = word
                self._ids.setdefault(kind, {})[word] = number
            lost = missing - self._texts.keys()
            if lost:
                raise StoreError(
                    f"rows point to names that are not there: {sorted(lost)[:5]}", code="TO8014", fix="tieout db verify"
                )
        return self._texts

    def forget(self) -> None:
        """Drop the cache."""
        self._ids.clear()
        self._texts.clear()

    def _bound(self) -> None:
        if len(self._texts) > CACHED_NAMES_MAX:
            # new dictionaries: mappings handed out earlier in the same batch stay whole
            self._ids, self._texts = {}, {}

    def _found(self, tx: Tx, kind: str, texts: Iterable[str]) -> list[tuple[int, str]]:
        rows = tx.select_keys(name, ("id", "text"), "text", texts, company=self.company, kind=kind)
        return [(number, word) for number, word in rows]

    def _learn(self, known: dict[str, int], rows: Iterable[tuple[int, str]]) -> None:
        for number, word in rows:
            known[word] = number
            self._texts[number] = word
