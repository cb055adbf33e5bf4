"""hafence's tables in etcd: readings at one moment, and writes that take effect whole, once, or not at all.

A write reads what it needs, judges it, and commits under the guard that none of it has changed meanwhile; if
something has, all begins anew. So a comparison and the write that depends on it cannot be parted.

With each write goes a mark of it, under a key that only this opened store writes (`writer/…`). Where the outcome of a
write was not known and it had to be sent again, the mark tells whether it is there; the guard on the mark sees to it
that it takes effect once, and that one which comes late does nothing. The keys go away with a lease of etcd's own.
"""

from __future__ import annotations

import itertools
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from ...effects import StoreError
from ..codec import Row, RowError, meta_row, new_store_id, read_meta, read_store_id
from ..url import EtcdPlace
from .client import Etcd, Guard, LeaseEnded
from .reply import Delete, Do, Found, Get, Kept, Put
from .rows import All, One, Want, end_of, key_of, row_in, value_of
from .view import BEGINNING, Changes, Moment, View, empty
from .wire import TooLong

T = TypeVar("T")

VERSION = 1
"""Of the layout of keys and rows."""

CROWDED_S = 30.0
"""How long a write that others keep coming before is tried."""

WRITER_TTL_S = 3600
"""How long the mark of a writer outlives it."""

CLOSE_S = 0.5
"""How long the end may wait for a cluster that is no longer needed."""

_SCHEMA = One("meta", "schema")


@dataclass(slots=True)
class _Writer:
    """This opened store as the author of writes."""

    key: str
    written: int = 0
    lease: int = 0
    renew_at: float = 0.0


class EtcdTables:
    """The tables under a prefix of a cluster. Safe to use from several threads. Every method raises StoreError."""

    def __init__(self, place: EtcdPlace, *, read_only: bool) -> None:
        self.name = place.name
        self.prefix = place.prefix
        self._read_only = read_only
        self._lock = threading.RLock()
        self._etcd = Etcd(place)
        self._writer = _Writer(f"{place.prefix}writer/{secrets.token_hex(12)}")
        self._schema = 0
        self.store_id = ""
        """Which store this is; '' as long as it is not there."""
        try:
            with self._speaking():
                self._find_or_make()
        except BaseException:
            self._etcd.close()
            raise

    # ------------------------------------------------ reading

    def read(self, wants: tuple[Want, ...], work: Callable[[View], T]) -> T:
        """Do `work` on what is wanted."""
        with self._lock, self._speaking():
            return work(self._view(wants, 0))

    def read_at_length(self, work: Callable[[Moment], T]) -> T:
        """Do `work` on one moment, of which more can be read piece by piece."""
        with self._lock, self._speaking():
            return work(Moment(self, self._view((), 0).revision))

    def clusters(self) -> Mapping[str, int | str]:
        """To which cluster each member belongs, or why it does not say."""
        with self._lock, self._speaking():
            return self._etcd.clusters()

    def view_at(self, revision: int, wants: tuple[Want, ...]) -> View:
        """What is wanted, as it was at a revision."""
        return self._view(wants, revision)

    def page_at(self, revision: int, start: str, end: str, descend: bool, size: int) -> Found:
        """Up to `size` keys, as they were at a revision. Raises TooLong."""
        if not self._schema:
            return Found((), False)
        return self._etcd.ask([Get(start, end, size, descend)], revision).found[0]

    def _view(self, wants: tuple[Want, ...], revision: int) -> View:
        outcome = self._etcd.ask([self._get(want) for want in (_SCHEMA, *wants)], revision)
        schema, *found = outcome.found
        if not self._has_schema(schema.kept):
            return View(outcome.header.revision, {want: empty(want) for want in wants}, {})
        rows: dict[Want, tuple[Row, ...]] = {}
        written: dict[tuple[str, str], int] = {}
        for want, answer in zip(wants, found, strict=True):
            start = len(f"{self.prefix}{want.table}/")
            rows[want] = tuple(row_in(want.table, kept.key[start:], kept.value) for kept in answer.kept)
            written |= {(want.table, kept.key[start:]): kept.mod_revision for kept in answer.kept}
        return View(outcome.header.revision, rows, written)

    def _get(self, want: Want) -> Get:
        match want:
            case One(table, key):
                return Get(self._key(table, key))
            case All(table, under):
                return Get(self._key(table, under), end_of(self._key(table, under)))

    def _key(self, table: str, key: str) -> str:
        return f"{self.prefix}{table}/{key}"

    # ------------------------------------------------ the schema

    def _find_or_make(self) -> None:
        while True:
            schema, anything = self._etcd.ask(
                [self._get(_SCHEMA), Get(self.prefix, end_of(self.prefix), limit=1)]
            ).found
            if schema.kept:
                self._has_schema(schema.kept)
                return
            if anything.kept:
                raise StoreError(
                    f"under {self.prefix} in {self.name} lies something that is no hafence store (a key is there, but "
                    f"not {self._key(_SCHEMA.table, _SCHEMA.key)}): name another prefix, as in etcd://HOST:PORT/OTHER"
                )
            if self._read_only:
                return
            self._make()

    def _make(self) -> None:
        """An empty store. Once in its life, every member must answer: two clusters under one name are two stores."""
        clusters = self._etcd.clusters()
        silent = [f"{name}: {said}" for name, said in clusters.items() if isinstance(said, str)]
        if silent:
            raise StoreError(
                f"the store {self.name} is new, and to make it every member that is named must answer: "
                f"{'; '.join(silent)}"
            )
        if len(set(clusters.values())) != 1:
            raise StoreError(
                f"the members of {self.name} belong to different etcd clusters: name only members of one. Two "
                "clusters are two stores, and two stores let a VM run twice"
            )
        rows = [meta_row("schema", [VERSION, new_store_id()]), *BEGINNING]
        puts = [Put(self._key("meta", key_of("meta", row)), value_of("meta", row)) for row in rows]
        self._etcd.commit([Guard(self._key("meta", "schema"), 0)], puts, ())

    def _has_schema(self, kept: tuple[Kept, ...]) -> bool:
        """Whether the store is there, and of this hafence. False: there is none yet. StoreError for anything else."""
        if not kept:
            if self._read_only and not self._schema:
                return False
            raise RowError("table meta has no row 'schema'")
        schema = read_meta("schema", row_in("meta", "schema", kept[0].value))
        if not isinstance(schema, list) or not schema or type(schema[0]) is not int:
            raise RowError("table meta, row 'schema': not a version")
        if schema[0] != VERSION:
            raise StoreError(
                f"the store {self.name} was written by a newer hafence (schema {schema[0]}; this one knows {VERSION}): "
                "use that version, here too"
            )
        if self._schema not in (0, kept[0].mod_revision):
            raise StoreError(f"the store {self.name} was made anew while it was in use: run again")
        self.store_id = read_store_id(schema[-1])
        self._schema = kept[0].mod_revision
        return True

    # ------------------------------------------------ writing

    def write(self, wants: tuple[Want, ...], plan: Callable[[View, Changes], T]) -> T:
        """Make the changes that `plan` wants for what was read. It may be asked again, on a later reading."""
        if self._read_only:
            raise StoreError(f"the store {self.name} was opened to be read only")
        give_up_at = time.monotonic() + CROWDED_S
        with self._lock, self._speaking():
            for tries in itertools.count():
                view, changes = self._view(wants, 0), Changes()
                answer = plan(view, changes)
                if not changes.rows or self._commit(view, changes):
                    return answer
                if time.monotonic() > give_up_at:
                    break
                time.sleep(random.uniform(0, 0.002 * 2 ** min(tries, 5)))  # noqa: S311  # spreads the writers only
        raise StoreError(
            f"the store {self.name} was written by others for {CROWDED_S:.0f} s without a pause: run again"
        )

    def _commit(self, view: View, changes: Changes) -> bool:
        """Make the changes; False where something that was read has changed meanwhile."""
        self._make_writer_ready()
        writer, mark = self._writer, secrets.token_hex(16).encode()
        watched = {*view.watched(), *changes.rows}
        guards = [Guard(self._key(*place), view.written(*place)) for place in sorted(watched)]
        guards += [Guard(self._key(_SCHEMA.table, _SCHEMA.key), self._schema), Guard(writer.key, writer.written)]
        do: list[Do] = [
            Delete(self._key(*place)) if row is None else Put(self._key(*place), value_of(place[0], row))
            for place, row in changes.rows.items()
        ]
        try:
            outcome, repeated = self._etcd.commit(guards, [*do, Put(writer.key, mark, writer.lease)], [Get(writer.key)])
        except LeaseEnded:
            writer.lease = 0
            return False
        if outcome.succeeded:
            writer.written = outcome.header.revision
            return True
        return self._was_written(outcome.found[0].kept, mark, repeated)

    def _was_written(self, found: tuple[Kept, ...], mark: bytes, repeated: bool) -> bool:
        """Whether a commit that failed has taken effect all the same, when it was sent before."""
        before, self._writer.written = self._writer.written, found[0].mod_revision if found else 0
        if repeated and found and found[0].value == mark:
            return True
        if repeated and before and not found:
            raise StoreError(
                f"the store {self.name} took very long, and whether a change was written is not known: run again"
            )
        return False

    def _make_writer_ready(self) -> None:
        if not self._writer.lease or time.monotonic() > self._writer.renew_at:
            self._writer.lease = self._etcd.grant(WRITER_TTL_S)
            self._writer.renew_at = time.monotonic() + WRITER_TTL_S / 2

    # ------------------------------------------------ the end, and what goes wrong

    def close(self) -> None:
        """Let go of the cluster."""
        with self._lock:
            if self._writer.lease:
                self._etcd.revoke(self._writer.lease, CLOSE_S)
                self._writer.lease = 0
            self._etcd.close()

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except RowError as error:
            raise self.damaged(str(error)) from None
        except TooLong:
            raise StoreError(
                f"the store {self.name} cannot be used: a member sends more than a hafence store holds. See what "
                "listens there"
            ) from None
        except LeaseEnded:
            raise StoreError(f"the store {self.name} keeps no lease of its own: see its log") from None

    def damaged(self, what: str) -> StoreError:
        """The error for a store whose content cannot be trusted."""
        return StoreError(
            f"the store {self.name} is damaged: {what}. Put it back from a snapshot; or, with no hafence running, "
            f"delete its keys (etcdctl del --prefix {self.prefix}): hafence then takes every VM to run where the "
            "inventory says, so see to it first that the inventory is true"
        )
