"""Virtual time: who is woken when, and who never again."""

from functools import partial

from hafence.sim.kernel import Act, Agenda, Join, Owner


def ticking(agenda: Agenda, seen: list[float], seconds: float, times: int) -> Act[str]:
    for _ in range(times):
        yield seconds
        seen.append(round(agenda.now, 3))
    return "done"


def test_acts_are_woken_in_the_order_of_their_times() -> None:
    agenda, host = Agenda(), Owner("host")
    slow: list[float] = []
    fast: list[float] = []
    agenda.spawn(ticking(agenda, slow, 2.0, 2), host, "slow")
    agenda.spawn(ticking(agenda, fast, 0.75, 4), host, "fast")
    assert agenda.run(100.0, 1000)
    assert (slow, fast) == ([2.0, 4.0], [0.75, 1.5, 2.25, 3.0])


def test_an_act_of_a_crashed_owner_is_never_woken_again() -> None:
    agenda, host = Agenda(), Owner("host")
    seen: list[float] = []
    agenda.spawn(ticking(agenda, seen, 1.0, 5), host, "act")

    def crash() -> None:
        host.life += 1

    agenda.call_at(2.5, crash)
    assert agenda.run(100.0, 1000)
    assert seen == [1.0, 2.0]


def test_an_act_of_a_held_owner_goes_on_when_it_is_released() -> None:
    agenda, host = Agenda(), Owner("host")
    seen: list[float] = []
    agenda.spawn(ticking(agenda, seen, 1.0, 3), host, "act")

    def hold() -> None:
        host.held = True

    agenda.call_at(1.5, hold)
    agenda.call_at(10.0, lambda: agenda.release(host))
    assert agenda.run(100.0, 1000)
    assert seen == [1.0, 10.0, 11.0]


def test_who_waits_for_an_act_is_woken_soon_after_its_end() -> None:
    agenda, host = Agenda(), Owner("host")
    woken: list[tuple[float, bool]] = []

    def waiting() -> Act[None]:
        task = agenda.spawn(ticking(agenda, [], 1.0, 3), host, "act")
        yield Join(task, 10.0)
        woken.append((round(agenda.now, 3), task.done))

    agenda.spawn(waiting(), host, "waits")
    assert agenda.run(100.0, 1000)
    assert woken == [(3.004, True)]


def test_who_waits_for_an_act_waits_no_longer_than_asked() -> None:
    agenda, host = Agenda(), Owner("host")
    woken: list[tuple[float, bool]] = []

    def waiting() -> Act[None]:
        task = agenda.spawn(ticking(agenda, [], 1.0, 30), host, "act")
        yield Join(task, 2.5)
        woken.append((agenda.now, task.done))
        yield 100.0

    agenda.spawn(waiting(), host, "waits")
    assert agenda.run(50.0, 1000)
    assert woken == [(2.5, False)]


def test_what_is_asked_for_first_comes_first_at_the_same_moment() -> None:
    agenda = Agenda()
    order: list[str] = []
    for name in ("a", "b", "c"):
        agenda.call_at(1.0, partial(order.append, name))
    assert agenda.run(1.0, 10)
    assert order == ["a", "b", "c"]


def test_a_story_that_never_rests_is_told_so() -> None:
    agenda, host = Agenda(), Owner("host")
    agenda.spawn(ticking(agenda, [], 0.0, 10**9), host, "spins")
    assert not agenda.run(1.0, 500)


def test_an_exception_thrown_into_an_act_reaches_it_where_it_waits() -> None:
    agenda, host = Agenda(), Owner("host")
    met: list[str] = []

    def waiting() -> Act[None]:
        try:
            yield 100.0
        except KeyError as error:
            met.append(f"{error.args[0]} at {agenda.now}")

    task = agenda.spawn(waiting(), host, "waits")
    agenda.call_at(5.0, lambda: agenda.throw(task, KeyError("stop")))
    assert agenda.run(1000.0, 100)
    assert met == ["stop at 5.0"]
