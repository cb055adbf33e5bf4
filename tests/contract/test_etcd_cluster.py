"""A store in a cluster of three: with TLS and a login, with a frozen leader, without a majority."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafence.core.stored import Lease
from hafence.effects import StoreError
from hafence.stores import open_store
from hafence.stores.port import RunRow, StepRow, Store

from .engines import NOW, VM, Worker, content, fill, lease_of, stopped
from .etcd_parts import Cluster, certificates, cluster

BOUND_S = 25.0
"""Within which every call ends, whatever the cluster does. etcd_client.TOTAL_S, and room for a slow machine."""


@pytest.fixture(scope="module")
def three() -> Iterator[Cluster]:
    with cluster(3) as made:
        yield made


@pytest.fixture
def store(three: Cluster, request: pytest.FixtureRequest) -> Iterator[Store]:
    store = open_store(three.url(request.node.name[:80]))
    yield store
    store.close()


def test_every_member_gives_the_same_store(three: Cluster, store: Store, request: pytest.FixtureRequest) -> None:
    fill(store)
    for first in range(3):
        other = open_store(three.url(request.node.name[:80], first=first))
        assert content(other) == content(store)
        assert other.check() == ()
        other.close()


def test_a_frozen_leader_costs_one_time_out_and_no_write(three: Cluster, request: pytest.FixtureRequest) -> None:
    leader = three.leader()
    store = open_store(three.url(request.node.name[:80], first=three.members.index(leader)))
    lease = lease_of(store)
    store.begin_run(RunRow("run-1", NOW, "alice", "start-vm", (VM,)))
    leader.freeze()
    try:
        assert store.write_record(stopped(), lease, NOW).revision == 1
        assert [store.add_step("run-1", StepRow(NOW, "step")) for _ in range(5)] == [1, 2, 3, 4, 5]
    finally:
        leader.thaw()
    assert store.check() == ()
    assert store.recall(NOW).records[VM].revision == 1
    store.close()


def test_without_a_majority_every_call_ends_in_an_error_and_goes_on_when_it_is_back(
    three: Cluster, store: Store
) -> None:
    lease = lease_of(store)
    for member in three.members[1:]:
        member.freeze()
    begun = time.monotonic()
    try:
        with pytest.raises(StoreError, match="See to it that a majority of its members runs"):
            store.recall(NOW)
        with pytest.raises(StoreError, match="majority"):
            store.write_record(stopped(), lease, NOW)
        with pytest.raises(StoreError, match="majority"):
            open_store(three.url("fresh"))
    finally:
        for member in three.members:
            member.thaw()
    assert time.monotonic() - begun < 3 * BOUND_S
    assert store.recall(NOW).records == {}
    assert store.renew_lease(lease, 60, NOW).token == lease.token
    assert store.check() == ()


def test_a_member_that_was_killed_is_passed_over(three: Cluster, store: Store) -> None:
    three.members[0].kill()
    try:
        lease = lease_of(store)
        other = open_store(store.name)
        assert other.leases()[0].token == lease.token
        with pytest.raises(StoreError, match="every member that is named must answer"):
            open_store(three.url("new"))
        other.close()
    finally:
        three.members[0].start_again()


def test_members_of_two_clusters_are_no_store(three: Cluster) -> None:
    with cluster() as lone:
        names = f"127.0.0.1:{three.members[0].port},127.0.0.1:{lone.members[0].port}"
        with pytest.raises(StoreError, match="belong to different etcd clusters"):
            open_store(f"etcd://{names}/two")
        store = open_store(three.url("one"))
        both = open_store(f"etcd://{names}/one")
        assert [problem.code for problem in both.check()] == ["damaged"]
        three.members[0].freeze()
        try:
            with pytest.raises(StoreError, match="another etcd cluster"):
                both.recall(NOW)
        finally:
            three.members[0].thaw()
        both.close()
        store.close()


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(1, certificates(tmp_path_factory.mktemp("tls"))) as made:
        made.ctl("user", "add", "root:rootpw")
        made.ctl("user", "grant-role", "root", "root")
        made.ctl("user", "add", "hafence:geheim 🔑")
        made.ctl("role", "add", "hafence")
        made.ctl("role", "grant-permission", "hafence", "--prefix=true", "readwrite", "/hafence/")
        made.ctl("user", "grant-role", "hafence", "hafence")
        made.ctl("auth", "enable")
        yield made


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("geheim 🔑\n")
    return path


class TestTls:
    """TLS with a client's certificate, and a user who may touch the prefix alone."""

    def test_a_user_with_a_password_file_has_a_whole_store(self, safe: Cluster, password: Path) -> None:
        url = safe.url("hafence", more=f"&user=hafence&password_file={password}")
        store = open_store(url)
        fill(store)
        assert store.check() == ()
        assert store.name == f"etcd://127.0.0.1:{safe.members[0].port}/hafence"
        worker = Worker(url, "take", "run-w", NOW + 9_999)
        worker.say("go")
        assert worker.hears() == "Lease"
        worker.kill()
        assert isinstance(store.take_lease(VM, store.leases()[1].holder, 60, NOW + 9_999), Lease)
        store.close()

    def test_a_token_that_is_no_longer_taken_is_got_anew(self, safe: Cluster, password: Path) -> None:
        store = open_store(safe.url("hafence", more=f"&user=hafence&password_command=cat%20{password}"))
        before = store.recall(NOW)
        safe.members[0].kill()  # simple tokens live in memory
        safe.members[0].start_again()
        assert store.recall(NOW) == before
        lease_of(store, now=NOW + 99_999)
        store.close()

    @pytest.mark.parametrize(
        ("more", "says"),
        [
            ("", "wants a user"),
            ("&user=hafence&password_command=echo%20wrong", "does not take this user and password"),
            ("&user=hafence&password_file=/nowhere", "cannot be had: /nowhere"),
            ("&user=hafence&password_command=false", "cannot be had: password_command failed"),
        ],
    )
    def test_without_the_right_login_there_is_no_store(self, safe: Cluster, more: str, says: str) -> None:
        with pytest.raises(StoreError, match=says):
            open_store(safe.url("hafence", more=more))

    def test_a_prefix_that_the_user_may_not_touch_is_said(self, safe: Cluster, password: Path) -> None:
        with pytest.raises(StoreError, match="may not read and write the keys under /other/") as caught:
            open_store(safe.url("other", more=f"&user=hafence&password_file={password}"))
        assert "geheim" not in str(caught.value)

    def test_a_certificate_of_another_or_none_or_for_another_name_is_not_believed(
        self, safe: Cluster, tmp_path: Path
    ) -> None:
        other = certificates(tmp_path)
        port = safe.members[0].port
        for query, says in (
            (f"?ca={other}/ca.crt", "certificate that is not believed"),
            ("", "does it want TLS"),
            (f"?ca={safe.tls}/ca.crt", "TLS"),
            (f"?ca={safe.tls}/ca.crt&cert={other}/client.crt&key={other}/client.key", "TLS"),
            (f"?ca={other}/nothing.crt", "TLS files cannot be used"),
            (f"?ca={safe.tls}/ca.crt&cert={other}/client.crt&key={safe.tls}/client.key", "TLS files cannot be used"),
        ):
            with pytest.raises(StoreError, match=says):
                open_store(f"etcd://127.0.0.1:{port}/hafence{query}")
        with pytest.raises(StoreError, match="certificate that is not believed"):
            open_store(f"etcd://localhost:{port}/hafence?ca={safe.tls}/ca.crt")

    def test_a_login_where_there_is_none_is_said(self, three: Cluster, tmp_path: Path) -> None:
        with cluster(1, certificates(tmp_path)) as open_to_all:
            url = open_to_all.url("hafence", more="&user=hafence&password_command=echo%20x")
            with pytest.raises(StoreError, match="no authentication switched on"):
                open_store(url)
