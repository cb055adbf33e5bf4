"""What came of a run, for a person: the same facts on a screen and in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ...core.outcome import Decision, Exit, Outcome
from ...workflows.fence import NotLookedInto
from ..context import Options
from .documents import not_looked_into_object, outcome_object, outcomes_object
from .output import out, print_document, print_line
from .steps import Mark
from .terminal import is_screen

Fact = tuple[str, str]
"""A label and what it says."""


def show_outcome(options: Options, outcome: Outcome) -> None:
    """The end of `start-vm`."""
    if options.json:
        print_document(outcome_object(outcome))
    else:
        _show([outcome], options)


def show_outcomes(options: Options, run: str, outcomes: Sequence[Outcome], code: int) -> None:
    """The end of a run over several VMs."""
    if options.json:
        print_document(outcomes_object(run, outcomes, code))
    elif outcomes:
        _show(outcomes, options)
    else:
        out("nothing to do: no VM is recorded or seen there")


def show_evacuated(options: Options, run: str, host: str, outcomes: Sequence[Outcome], code: int) -> None:
    """The end of `evacuate`: what went well, then what did not, then how many of all; the eye ends there."""
    if options.json:
        (print_line if options.lines else print_document)(outcomes_object(run, outcomes, code))
    elif outcomes:
        well = [outcome for outcome in outcomes if outcome.exit is Exit.DONE]
        if len(well) > 1 and not outcomes[0].dry_run and not options.verbose:
            _blocks([_together(well)])
        else:
            _show(well, options)
        _show([outcome for outcome in outcomes if outcome.exit is not Exit.DONE], options)
        done = len(well)
        verb, run_words = ("would be evacuated", "would run") if outcomes[0].dry_run else ("evacuated", "run")
        out(f"{host} {verb}: {done} of {len(outcomes)} HA VMs {run_words} elsewhere")
    else:
        out(f"nothing to do: no HA VM is recorded on {host}")


def show_not_looked_into(options: Options, run: str, ended: NotLookedInto) -> None:
    """The end of a `fence --host` that could not look into the host, on which no VM is recorded."""
    document = not_looked_into_object(run, ended)
    if options.json:
        print_document(document)
    else:
        out(f"refused: {document['message']}")


def _show(outcomes: Sequence[Outcome], options: Options) -> None:
    _blocks([(mark_of(each), headline(each), facts(each, options.verbose > 0)) for each in outcomes])


def _blocks(blocks: Sequence[tuple[Mark, str, list[Fact]]]) -> None:
    """A headline and its facts for each; the first of them on its line in a pipe."""
    if is_screen(sys.stdout):
        from .live import draw_outcomes

        draw_outcomes(blocks, sys.stdout)
        return
    for _, title, shown in blocks:
        out(f"{title}: {shown[0][1]}")
        for label, says in shown[1:]:
            out(f"  {label}: {says}")


def _together(outcomes: Sequence[Outcome]) -> tuple[Mark, str, list[Fact]]:
    """Many VMs that went well, as one block: each of them has had its line, and each risk is told once."""
    homes: dict[str, list[str]] = {}
    risks: dict[str, list[str]] = {}
    for outcome in outcomes:
        homes.setdefault(outcome.host or "no host", []).append(outcome.name)
        for risk in outcome.residual_risk:
            risks.setdefault(risk.says, []).append(outcome.name)
    reasons = sorted({outcome.reason.value for outcome in outcomes})
    shown: list[Fact] = [("why", ", ".join(reasons))]
    shown += [(host, ", ".join(sorted(names))) for host, names in sorted(homes.items())]
    shown += [("risk", says if len(of) == len(outcomes) else f"{', '.join(of)}: {says}") for says, of in risks.items()]
    run = outcomes[0].run
    shown.append(("run", f"{run} ('hafence explain {run}')"))
    return Mark.ODD if risks else Mark.GOOD, f"{len(outcomes)} HA VMs run", shown


def headline(outcome: Outcome) -> str:
    """`started web-01 on kvm-03`, or what a dry run foretells."""
    where = f" on {outcome.host}" if outcome.decision is Decision.STARTED and outcome.host else ""
    if not outcome.dry_run:
        return f"{outcome.decision.value} {outcome.name}{where}"
    return f"dry run, nothing was changed: would be {outcome.decision.value}: {outcome.name}{where}"


def mark_of(outcome: Outcome) -> Mark:
    """Good and proven, odd (refused and nothing happened, or done and not proven), or bad (a person is needed)."""
    if outcome.exit is Exit.DONE:
        return Mark.ODD if outcome.residual_risk else Mark.GOOD
    return Mark.ODD if outcome.decision is Decision.REFUSED else Mark.BAD


def facts(outcome: Outcome, verbose: bool) -> list[Fact]:
    """The reason first, the ways out and the run last: what a reader needs is where the eye ends."""
    shown: list[Fact] = [("why", f"{outcome.reason.value}: {outcome.says}")]
    if outcome.dry_run or verbose:
        shown += [("weighed", note) for note in outcome.notes]
    if outcome.source is not None and outcome.source.capture is not None and not outcome.source.why_not:
        shown.append(("definition", outcome.source.says))
    shown += [("risk", risk.says) for risk in outcome.residual_risk]
    shown += [("way out", way) for way in outcome.ways_out]
    if not outcome.dry_run:  # nothing is recorded of a dry run: its id leads nowhere
        shown.append(("run", f"{outcome.run} ('hafence explain {outcome.run}')"))
    return shown
