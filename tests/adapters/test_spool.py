"""Where what hosts said beyond the protocol is kept."""

from __future__ import annotations

from pathlib import Path

from hafence.adapters.local.spool import folder_of, keep


def test_it_lies_beside_a_sqlite_store_for_its_owner_alone(tmp_path: Path) -> None:
    keep(f"sqlite://{tmp_path}/new/state.db", "run-1", "start on kvm-01", "out", "err")
    file = tmp_path / "new" / "output" / "run-1.txt"
    assert file.read_text().splitlines()[1:] == ["-- stdout", "out", "-- stderr", "err"]
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_with_a_store_elsewhere_it_stays_on_the_admin_node() -> None:
    assert folder_of("etcd://h1,h2/hafence?ca=/ca.pem") == Path("/var/lib/hafence/output")
