"""A thin client of an etcd cluster, over its JSON gateway: transactions, with fail-over and login.

Only linearizable reads are made: what one admin node has written, every other one reads. A call whose outcome is not
known is repeated to the next member, word for word; whether a transaction that was repeated is the one that took
effect, its own guards tell (see tables.py). Each answer is held against the cluster's id and the highest
revision that was seen: a member of another cluster, or one that was set back, is not believed.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...effects import StoreError
from ..url import EtcdPlace
from .login import Login, odd_reply
from .refused import Refused, refusal_in
from .reply import Delete, Do, Get, Header, OddReply, Outcome, Put, document_in, header_in, number_in, outcome_in
from .wire import Answer, Lost, Member, TooLong, Unsent, tls_context

CALL_S = 4.0
"""How long one member may take to answer. A frozen one costs this once."""

TOTAL_S = 15.0
"""How long all members together may take. A cluster without a majority says so after 7 to 10 s."""

PAUSE_S = 0.1
"""After each member was asked in vain."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What must hold for a transaction to take effect: when the key was last written (0: it is not there)."""

    key: str
    mod_revision: int


class LeaseEnded(Exception):
    """The lease of etcd's own, under which something was to be put, has ended. Nothing was written."""


@dataclass(frozen=True, slots=True)
class _Heard:
    document: dict[str, Any]
    header: Header
    repeated: bool


class Etcd:
    """A cluster. Not for several threads at once. Every method raises StoreError where the cluster is of no help."""

    def __init__(self, place: EtcdPlace) -> None:
        self._place = place
        try:
            context = tls_context(place.ca, place.cert, place.key) if place.ca else None
        except OSError as error:
            raise StoreError(
                f"the store {place.name} cannot be reached: its TLS files cannot be used ({error.strerror or error}); "
                "see ca, cert and key in its URL"
            ) from None
        self._members = [Member(host, port, context) for host, port in place.members]
        self._at = 0
        self._login = Login(place)
        self._cluster = 0
        self._revision = 0
        self._verified: set[str] = set()

    # ------------------------------------------------ what is asked

    def ask(self, gets: Sequence[Get], revision: int = 0) -> Outcome:
        """Read, all at one moment: now, or when the cluster was at `revision`. Raises TooLong."""
        heard = self._post("/v3/kv/txn", {"success": [_operation(get, revision) for get in gets]})
        outcome = self._outcome(heard, gets, ())
        if not outcome.succeeded:
            raise self._odd("a reading that had no condition did not succeed")
        return outcome

    def commit(self, guards: Sequence[Guard], changes: Sequence[Do], otherwise: Sequence[Get]) -> tuple[Outcome, bool]:
        """Make the changes if every guard holds, else read. The second: whether it was sent more than once.

        Raises LeaseEnded.
        """
        document = {
            "compare": [
                {
                    "key": _encoded(guard.key),
                    "target": "MOD",
                    "result": "EQUAL",
                    "mod_revision": str(guard.mod_revision),
                }
                for guard in guards
            ],
            "success": [_operation(change) for change in changes],
            "failure": [_operation(get) for get in otherwise],
        }
        heard = self._post("/v3/kv/txn", document, writes=True)
        return self._outcome(heard, changes, otherwise), heard.repeated

    def grant(self, ttl_s: int) -> int:
        """A lease of etcd's own: what is put under it goes away by itself."""
        heard = self._post("/v3/lease/grant", {"TTL": str(ttl_s)})
        try:
            return number_in(heard.document, "ID")
        except OddReply as odd:
            raise self._odd(str(odd)) from None

    def revoke(self, lease: int, within_s: float) -> None:
        """Let a lease go, if the member at hand does so at once; else it ends by itself."""
        body = json.dumps({"ID": str(lease)}).encode()
        try:
            self._members[self._at].call("/v3/lease/revoke", body, self._login.token, within_s)
        except (Unsent, Lost, TooLong):
            return

    def clusters(self) -> Mapping[str, int | str]:
        """To which cluster each member belongs, or why it does not say."""
        return {member.name: self._cluster_of(member) for member in self._members}

    def close(self) -> None:
        """Let go of every connection."""
        for member in self._members:
            member.close()

    # ------------------------------------------------ how it is asked

    def _post(self, path: str, document: Mapping[str, Any], writes: bool = False) -> _Heard:
        body = json.dumps(document, separators=(",", ":")).encode()
        give_up_at = time.monotonic() + TOTAL_S
        troubles: dict[str, str] = {}
        tries, logins, sent, lives = 0, 0, False, False
        while True:
            member = self._members[self._at]
            floor = self._revision
            try:
                self._make_ready(member, give_up_at)
                answer = member.call(path, body, self._login.token, _left_s(give_up_at))
                heard = self._judge(member, answer, floor, sent)
                if heard is not None:
                    return heard
                sent, lives, troubles[member.name] = True, True, f"{member.name} has no leader, or lost it meanwhile"
            except Unsent as error:
                troubles[member.name] = str(error)
            except Lost as error:
                sent, troubles[member.name] = True, str(error)
            except Refused as refused:
                if refused.wants_login and self._place.user and logins < 2:
                    logins += 1
                    self._login.forget()
                    continue
                if refused.lease_is_gone and not sent:
                    raise LeaseEnded from None
                raise self._refused(refused, sent and writes) from None
            tries += 1
            self._at = (self._at + 1) % len(self._members)
            if tries % len(self._members) == 0:
                self._go_on(give_up_at, troubles, lives, sent and writes)

    def _go_on(self, give_up_at: float, troubles: Mapping[str, str], lives: bool, unsure: bool) -> None:
        """After every member failed: a pause, or StoreError. At first contact only an etcd that lives is waited for."""
        if time.monotonic() + PAUSE_S < give_up_at and (lives or self._cluster):
            time.sleep(PAUSE_S)
            return
        says = f"the store {self._place.name} cannot be used: {'; '.join(troubles.values())}"
        if unsure:
            says += ". What was being written may have been written, or may be yet"
        raise StoreError(f"{says}. See to it that a majority of its members runs and can be reached, then run again")

    def _make_ready(self, member: Member, give_up_at: float) -> None:
        """Log in where that is needed, and see once whether a further member is one of the same cluster."""
        self._login.make_sure(member, _left_s(give_up_at))
        if self._cluster and member.name not in self._verified:
            try:
                heard = self._judge(member, self._look_at(member, _left_s(give_up_at)), self._revision, False)
            except Lost as error:
                raise Unsent(str(error)) from None
            if heard is None:
                raise Unsent(f"{member.name} has no leader")

    def _judge(self, member: Member, answer: Answer, floor: int, repeated: bool) -> _Heard | None:
        """The answer, if it is one; None where its outcome is not known. Raises Refused."""
        try:
            if answer.status != 200:
                refused = refusal_in(answer)
                if refused is None:
                    return None
                raise refused
            document = document_in(answer.body)
            header = header_in(document)
        except OddReply as odd:
            raise self._odd(str(odd), member) from None
        if self._cluster not in (0, header.cluster):
            raise StoreError(
                f"the store {self._place.name} cannot be used: {member.name} belongs to another etcd cluster than the "
                "members asked before. Name only members of one cluster: two clusters are two stores, and two stores "
                "let a VM run twice"
            )
        if header.revision < floor:
            raise StoreError(
                f"the store {self._place.name} cannot be used: {member.name} is behind what it or another member has "
                f"said (revision {header.revision} after {floor}): was the cluster restored just now? Run again"
            )
        self._cluster = header.cluster
        self._revision = max(self._revision, header.revision)
        self._verified.add(member.name)
        return _Heard(document, header, repeated)

    def _outcome(self, heard: _Heard, success: Sequence[Do], failure: Sequence[Do]) -> Outcome:
        try:
            return outcome_in(heard.document, success, failure)
        except OddReply as odd:
            raise self._odd(str(odd)) from None

    def _look_at(self, member: Member, within_s: float) -> Answer:
        body = json.dumps({"key": _encoded(self._place.prefix), "keys_only": True}).encode()
        return member.call("/v3/kv/range", body, self._login.token, within_s)

    def _cluster_of(self, member: Member) -> int | str:
        try:
            self._login.make_sure(member, CALL_S)
            answer = self._look_at(member, CALL_S)
            return header_in(document_in(answer.body)).cluster
        except (Unsent, Lost) as error:
            return str(error)
        except OddReply as odd:
            return f"{member.name} answered oddly: {odd}"

    # ------------------------------------------------ what goes wrong, in words

    def _odd(self, what: str, member: Member | None = None) -> StoreError:
        return odd_reply(self._place, member or self._members[self._at], what)

    def _refused(self, refused: Refused, sent: bool) -> StoreError:
        says = f"the store {self._place.name} refused: {refused.in_words(self._place)}"
        if sent:
            says += ". An attempt before may have been written, or may be yet"
        return StoreError(says)


def _left_s(give_up_at: float) -> float:
    return max(0.05, min(CALL_S, give_up_at - time.monotonic()))


def _operation(do: Do, revision: int = 0) -> dict[str, Any]:
    match do:
        case Get(key, end, limit, descend):
            asked: dict[str, Any] = {"key": _encoded(key)}
            if end:
                asked |= {"range_end": _encoded(end), "limit": str(limit)}
            if descend:  # ascending is etcd's own order; asked for by name, it reads all there is before it counts
                asked |= {"sort_target": "KEY", "sort_order": "DESCEND"}
            if revision:
                asked["revision"] = str(revision)
            return {"request_range": asked}
        case Put(key, value, lease):
            written = {"key": _encoded(key), "value": base64.b64encode(value).decode()}
            return {"request_put": {**written, "lease": str(lease)} if lease else written}
        case Delete(key):
            return {"request_delete_range": {"key": _encoded(key)}}


def _encoded(key: str) -> str:
    return base64.b64encode(key.encode("ascii")).decode()
