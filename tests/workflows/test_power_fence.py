"""The power fence, effect by effect: what is sent to which device, until when, and what is believed of the answers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hafence.core.evidence import Proof
from hafence.core.model import Host, HostName, PowerDevice
from hafence.core.power import Power, PowerSeen
from hafence.core.second_level import SecondLevelReply
from hafence.effects import AskPower, SendOff, Sleep
from hafence.workflows.power_fence import power_fence

from . import stage
from .drive import Desk
from .stage import NO_WORD, OFF, ON

A, B, C = (PowerDevice(f"fence_{name}") for name in "abc")


def told(
    answers: list[PowerSeen] | Any, *levels: tuple[PowerDevice, ...], rehearse: bool = False, **more: Any
) -> tuple[Desk, SecondLevelReply]:
    """The power fence of kvm-01, within a minute, with these answers to its status."""
    host = Host(HostName("kvm-01"), "prod", "10.0.0.1", power=levels or ((A,),))
    desk = Desk(stage.book(), [], answers={AskPower: answers}, takes=more.pop("takes", {}))
    reply = desk.run(power_fence(host, more.pop("not_after", math.inf), 60.0, rehearse))
    return desk, reply


def proofs(reply: SecondLevelReply) -> list[Proof]:
    return [each.proves for each in reply.evidence]


def of_agent(**answers: PowerSeen) -> Any:
    """What a device says, by its agent."""
    return lambda effect: answers[effect.device.agent.removeprefix("fence_")]


def test_off_is_sent_once_and_then_the_device_is_asked_until_it_is_off() -> None:
    desk, reply = told([ON, ON, OFF])
    assert (reply.done, proofs(reply)) == (True, [Proof.HOST_OFF])
    kinds = [type(each).__name__ for each in desk.asked if isinstance(each, SendOff | AskPower | Sleep)]
    assert kinds == ["SendOff", "AskPower", "Sleep", "AskPower", "Sleep", "AskPower"]


def test_one_that_is_off_already_is_told_off_all_the_same_and_believed() -> None:
    desk, reply = told([OFF])
    assert reply.done
    assert len(desk.of(SendOff)) == 1


def test_one_that_accepts_off_and_ignores_it_is_asked_as_long_as_there_is_time() -> None:
    desk, reply = told([ON], takes={AskPower: 0.5})
    assert (reply.done, proofs(reply)) == (False, [Proof.NOTHING])
    assert reply.says == "it was not seen off: level 1: fence_a says on"
    # a round and the pause after it take 1.5 s
    assert len(desk.of(AskPower)) == 40
    assert desk.clock <= 160.0


def test_one_that_can_not_tell_is_asked_twice() -> None:
    desk, reply = told([NO_WORD])
    assert not reply.done
    assert len(desk.of(AskPower)) == 2


def test_all_devices_of_a_level_are_told_and_asked_at_once_and_must_be_off_in_one_round() -> None:
    desk, reply = told(of_agent(a=OFF, b=OFF), (A, B))
    assert (reply.done, reply.says) == (True, "level 1 sees it off: fence_a says off, fence_b says off")
    assert [each.device.agent for each in desk.of(SendOff)] == ["fence_a", "fence_b"]
    desk, reply = told([OFF, ON, ON, OFF, OFF, OFF], (A, B))
    assert reply.done
    assert len(desk.of(AskPower)) == 6


@pytest.mark.parametrize("other", [ON, NO_WORD], ids=["on", "error"])
def test_off_on_one_and_not_on_another_is_no_level_and_the_next_has_its_turn(other: PowerSeen) -> None:
    desk, reply = told(of_agent(a=OFF, b=other, c=OFF), (A, B), (C,))
    assert (reply.done, reply.says) == (True, "level 2 sees it off: fence_c says off")
    assert [each.device.agent for each in desk.of(SendOff)] == ["fence_a", "fence_b", "fence_c"]


def test_a_level_that_hangs_leaves_the_next_its_share_of_the_time() -> None:
    desk, reply = told(of_agent(a=NO_WORD, c=OFF), (A,), (C,), takes={AskPower: 20.0})
    assert reply.done
    assert [each.not_after for each in desk.of(SendOff)] == [130.0, 160.0]


def test_nothing_is_sent_after_the_end_of_the_lease() -> None:
    desk, _ = told([ON], not_after=110.0)
    assert {each.not_after for each in desk.of(SendOff)} == {each.not_after for each in desk.of(AskPower)} == {110.0}
    assert desk.clock <= 110.0


def test_a_round_that_was_cut_short_does_not_hide_what_was_said_before() -> None:
    desk, reply = told([ON, NO_WORD], not_after=110.0, takes={AskPower: 4.5, SendOff: 0.0})
    assert reply.says == "it was not seen off: level 1: fence_a says on"
    assert len(desk.of(AskPower)) == 2


def test_every_level_that_failed_is_told() -> None:
    _, reply = told(of_agent(a=NO_WORD, b=NO_WORD, c=ON), (A, B), (C,))
    assert (
        reply.says == "it was not seen off: level 1: fence_a says error, fence_b says error; level 2: fence_c says on"
    )


# ---------------------------------------------------------------- rehearsals


def test_a_rehearsal_asks_each_level_once_until_one_can_tell_and_sends_nothing() -> None:
    desk, reply = told(of_agent(a=NO_WORD, b=ON, c=ON), (A,), (B,), (C,), rehearse=True)
    assert (reply.done, reply.evidence) == (True, ())
    assert reply.says == "level 2 would switch it off: fence_b says on (foretold, nothing was switched)"
    assert [each.device.agent for each in desk.of(AskPower)] == ["fence_a", "fence_b"]
    assert (desk.of(SendOff), desk.of(Sleep)) == ([], [])


def test_a_rehearsal_where_no_level_can_tell_foretells_a_failure() -> None:
    desk, reply = told([NO_WORD], (A,), (B,), rehearse=True)
    assert (reply.done, proofs(reply), len(desk.of(AskPower))) == (False, [Proof.NOTHING], 2)


def test_the_proof_is_as_old_as_the_oldest_answer_of_its_round() -> None:
    old = PowerSeen(Power.OFF, "says off", 42.0)
    _, reply = told(of_agent(a=OFF, b=old), (A, B))
    assert [each.at for each in reply.evidence] == [42.0]
