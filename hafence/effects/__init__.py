"""The only seam between workflows and the world: what a workflow may ask for, and what it is told.

A workflow is a generator. It yields an effect and receives the answer; the runner performs effects with
the adapters, the simulator performs the very same effects on a simulated world and can stop, crash or
interleave runs at every one of them.

Answers are values; whatever the world can do (a host silent, a start failed, nobody to ask) is a value too.
Only three things are exceptions, thrown into the workflow where it waits: `LeaseLost`, `StoreError`, `Interrupted`.
"""

from __future__ import annotations

from .base import (
    SPARE_S,
    Effect,
    Interrupted,
    Journalled,
    LeaseLost,
    Parallel,
    R,
    StoreError,
    T,
    Together,
    Touches,
    Workflow,
    do,
)
from .hosts import (
    Drifts,
    EndWatch,
    Fence,
    FetchDefinitions,
    LookAt,
    MemoryNeed,
    RunHooks,
    Settle,
    SharedDisks,
    SharedHostKeys,
    Start,
    Startable,
    Witness,
)
from .people import Answer, Ask, Now, Sleep, Tell, Uptime
from .second_level import (
    AddEntries,
    AskClients,
    AskPower,
    ListEntries,
    NoteSecondLevel,
    OwnAddresses,
    RemoveEntries,
    SendOff,
    WritableDisks,
)
from .store import (
    DropLease,
    KeepCapture,
    LearnMachine,
    LiftQuarantine,
    Quarantine,
    Recall,
    RecordStatement,
    RenewLease,
    SpendStatement,
    StoreHealth,
    TakeLease,
    WriteRecord,
)

__all__ = [
    "SPARE_S",
    "AddEntries",
    "Answer",
    "Ask",
    "AskClients",
    "AskPower",
    "Drifts",
    "DropLease",
    "Effect",
    "EndWatch",
    "Fence",
    "FetchDefinitions",
    "Interrupted",
    "Journalled",
    "KeepCapture",
    "LearnMachine",
    "LeaseLost",
    "LiftQuarantine",
    "ListEntries",
    "LookAt",
    "MemoryNeed",
    "NoteSecondLevel",
    "Now",
    "OwnAddresses",
    "Parallel",
    "Quarantine",
    "R",
    "Recall",
    "RecordStatement",
    "RemoveEntries",
    "RenewLease",
    "RunHooks",
    "SendOff",
    "Settle",
    "SharedDisks",
    "SharedHostKeys",
    "Sleep",
    "SpendStatement",
    "Start",
    "Startable",
    "StoreError",
    "StoreHealth",
    "T",
    "TakeLease",
    "Tell",
    "Together",
    "Touches",
    "Uptime",
    "Witness",
    "Workflow",
    "WritableDisks",
    "WriteRecord",
    "do",
]
