"""Outcomes as the JSON of the contract: keys are always there, times are RFC 3339 in UTC with milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.attempts import Attempt
from ...core.captures import Source
from ...core.evidence import Evidence
from ...core.outcome import Exit, Outcome
from ...workflows.fence import NotLookedInto
from ..errors import error_object
from .times import timestamp


def outcome_object(outcome: Outcome) -> dict[str, Any]:
    """One VM's outcome."""
    document: dict[str, Any] = {
        "run": outcome.run,
        "vm": {"uuid": outcome.uuid, "name": outcome.name},
        "suspect": outcome.suspect,
        "decision": outcome.decision.value,
        "verdict": outcome.verdict.value if outcome.verdict else None,
        "reason": outcome.reason.value,
        "message": outcome.message,
        "host": outcome.host,
        "dry_run": outcome.dry_run,
        "attempts": [_attempt(attempt) for attempt in outcome.attempts],
        "evidence": [_evidence(evidence) for evidence in outcome.evidence],
        "residual_risk": [risk.says for risk in outcome.residual_risk],
        "ways_out": list(outcome.ways_out),
        "notes": list(outcome.notes),
        "definition": _source(outcome.source),
        "exit": int(outcome.exit),
    }
    if outcome.exit is Exit.STORE:
        document["error"] = error_object(Exit.STORE, outcome.message)
    return document


def outcomes_object(run: str, outcomes: Sequence[Outcome], code: int) -> dict[str, Any]:
    """The outcomes of a run over several VMs."""
    document: dict[str, Any] = {"run": run, "vms": [outcome_object(outcome) for outcome in outcomes], "exit": int(code)}
    if code == Exit.STORE:
        message = next(outcome.message for outcome in outcomes if outcome.exit is Exit.STORE)
        document["error"] = error_object(Exit.STORE, message)
    return document


def not_looked_into_object(run: str, ended: NotLookedInto) -> dict[str, Any]:
    """A `fence --host` that found nobody to fence and could not look."""
    message = f"{ended.host} was not looked into ({ended.says}): nothing was fenced"
    return {"run": run, "vms": [], "exit": int(Exit.REFUSED), "message": message}


def _source(source: Source | None) -> dict[str, Any] | None:
    """From which definition the VM is started, or would be; None where nobody has come so far as to ask."""
    if source is None or source.why_not:
        return None
    capture = source.capture if source.is_capture else None
    return {
        "from": source.origin.value,
        "host": capture.host if capture else None,
        "at": timestamp(capture.at) if capture else None,
        "digest": capture.digest if capture else None,
        "says": source.says,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "proxy": attempt.proxy,
        "verdict": attempt.reading.verdict.value,
        "detail": attempt.says,
        "seconds": round(attempt.seconds, 3),
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "kind": evidence.kind,
        "source": evidence.source,
        "at": timestamp(evidence.at),
        "says": evidence.says,
        "proves": evidence.proves.value,
    }
