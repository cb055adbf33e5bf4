"""The last look of the demo: was there ever more than one writer?"""

from __future__ import annotations

from pathlib import Path

from hafence.demo.writers import Beat, overlap, read_beats, writers


def test_one_after_the_other_is_no_overlap() -> None:
    beats = [Beat(1.0, "kvm-01", 7), Beat(1.1, "kvm-01", 7), Beat(2.0, "kvm-02", 9)]
    assert overlap(beats) == ""
    assert writers(beats) == [("kvm-01", 7), ("kvm-02", 9)]


def test_a_writer_that_goes_on_after_the_next_began_is_told() -> None:
    beats = [Beat(1.0, "kvm-01", 7), Beat(1.1, "kvm-02", 9), Beat(1.2, "kvm-01", 7)]
    assert overlap(beats) == "kvm-01 (pid 7) wrote at 1.2 although another had begun after it"


def test_a_line_that_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_text("1.00 kvm-01 7\n1.10 kvm-01")
    assert read_beats(disk) == [Beat(1.0, "kvm-01", 7)]
