"""What is kept of captured definitions: the latest of each VM, whole, or nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from hafence.core.captures import digest_of
from hafence.stores.capture_codec import MOST_BYTES
from hafence.stores.port import Store

from .engines import NOW, OTHER_VM, VM, B, captured


def test_the_latest_capture_of_each_vm_is_kept(store: Store, other: Store) -> None:
    store.keep_capture(captured())
    newer = replace(captured(VM, NOW - 60, "<domain id='2'/>"), host=B, beside="")
    store.keep_capture(newer)
    assert other.captures((VM, OTHER_VM, VM)) == (newer,)
    store.keep_capture(captured(OTHER_VM))
    assert other.captures((OTHER_VM, VM)) == (newer, captured(OTHER_VM))
    assert other.captures(()) == ()
    assert store.check() == ()


def test_a_large_definition_comes_back_to_the_letter(store: Store) -> None:
    """etcd takes 1.5 MiB in one request: what is as large as a definition may be lies there packed."""
    chance = random.Random(7)
    words = "".join(f"<metadata n='{chance.getrandbits(64):x}'>ü🦊</metadata>\n" for _ in range(19_000))
    whole = f"<domain>{words}</domain>"
    assert 0.75 * MOST_BYTES < len(whole.encode()) <= MOST_BYTES
    store.keep_capture(captured(xml=whole))
    (kept,) = store.captures((VM,))
    assert kept.xml == whole
    assert kept.digest == digest_of(whole)


def test_more_than_fit_into_one_answer_are_read_all_the_same(store: Store) -> None:
    vms = [type(VM)(f"6d6f6a5a-1111-4222-8333-{number:012d}") for number in range(40)]
    for vm in vms:
        store.keep_capture(captured(vm))
    assert [each.vm for each in store.captures(reversed(vms))] == vms


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (replace(captured(), xml=""), "no definition"),
        (replace(captured(), xml="x" * (MOST_BYTES + 1)), "no definition"),
        (replace(captured(), xml="<\ud800/>"), "surrogates"),
        (replace(captured(), beside="abc"), "no digest"),
        (replace(captured(), at=-1.0), "not a moment"),
    ],
    ids=["empty", "too-large", "no-text", "no-digest", "no-moment"],
)
def test_what_could_not_be_read_again_is_never_written(store: Store, odd: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        store.keep_capture(odd)  # type: ignore[arg-type]
    assert store.captures((VM,)) == ()
