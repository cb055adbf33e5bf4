"""Changes that are made by hand: nine that were planted once to see whether the search notices, and the guards that
stand behind others, each with the name that the table gives it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tests.mutation.mutants import Mutant

ROOT = Path(__file__).parents[2]


class Edit(NamedTuple):
    """A text of a function, and what stands there instead."""

    path: str
    where: str
    old: str
    new: str

    @property
    def mutant(self) -> Mutant:
        """The edit as a mutant. ValueError where the text is not there, or more than once."""
        source = (ROOT / self.path).read_text()
        if source.count(self.old) != 1:
            raise ValueError(f"{self.path} holds {source.count(self.old)} times, wanted once: {self.old}")
        return Mutant(self.path, self.where, self.old, self.new, source.replace(self.old, self.new))


DECISION, FENCING = "hafence/core/decision.py", "hafence/workflows/fencing.py"
START_VM, STARTING = "hafence/workflows/start_vm.py", "hafence/workflows/starting.py"

_AMBIGUOUS = Edit(
    DECISION,
    "_judge",
    'return _refused(case, Reason.AMBIGUOUS, f"{case.suspect} is neither dead nor silent: {_detail(case, verdict)}")',
    'return Allowed(Reason.CONFIRMED_DEAD, "")',
)
_ALIVE = Edit(DECISION, "_judge", "if verdict is Verdict.STILL_ALIVE:", "if False:")
_SIGNS = Edit(DECISION, "_judge_silence", "if signs := signs_of_life(case):", "if signs := ():")
_AFTER_START = Edit(STARTING, "verify", "if copies not in ({}, {target: 1}):", "if False:")
_WITNESSES = Edit(DECISION, "witnesses_lacking", "if seen < needed:", "if False:")
_AGE = Edit(FENCING, "evidence_is_old", "return now > evidence_ends(vm_run, looks)", "return False")
_DEADLINE = Edit(
    STARTING,
    "_start_on",
    "not_after = min((yield from vm_run.renew()), evidence_ends(vm_run))",
    "not_after = yield from vm_run.renew()",
)
_SETTLING = Edit(
    STARTING,
    "settle_earlier",
    "if record.state is not VmState.STARTING:\n        return None",
    "if True:\n        return None",
)
_LEASE = Edit(
    "hafence/workflows/vm_run.py",
    "VmRun.renew",
    "self.lease = yield from do(RenewLease(self.lease))",
    "if False:\n            yield from do(RenewLease(self.lease))",
)
_STORAGE = Edit(
    DECISION,
    "_judge",
    "if Proof.DISKS_FENCED in proofs:",
    "if any(tried.level is SecondLevelKind.STORAGE for tried in case.fences_tried):",
)


class Planted(NamedTuple):
    """A fault made by hand, of one edit or of some together."""

    edits: tuple[Edit, ...]
    piece: str
    """The piece of the search that is asked for it (Piece.words)."""

    @property
    def mutants(self) -> list[Mutant]:
        """The edits as mutants."""
        return [edit.mutant for edit in self.edits]

    def name(self, words: str) -> str:
        """Its name in the table."""
        return f"{self.edits[0].path} | planted | {words}"


_WORDS: dict[str, Planted] = {
    "an ambiguous reply starts the VM": Planted((_AMBIGUOUS,), "confirm alone/0 sshd-gone"),
    "a living verdict falls through": Planted((_ALIVE,), "proceed alone/0 unkillable-let-in-by-one"),
    "signs of life are ignored in the judgement of silence": Planted((_SIGNS,), "confirm alone/1 isolated"),
    "the look after a start ignores two copies": Planted((_AFTER_START,), "confirm alone/1 isolated"),
    "no silent sibling is needed": Planted((_WITNESSES,), "confirm alone/0 isolated-witnesses-blind"),
    "the age of the evidence is not asked": Planted((_AGE, _DEADLINE), "confirm alone/1 healthy"),
    "the settling of an earlier start is skipped": Planted((_SETTLING,), "confirm alone/0 start-left-behind-unseen"),
    "the lease is not renewed": Planted((_LEASE,), "confirm pair/0 healthy"),
    "a storage fence is taken as given": Planted((_STORAGE,), "confirm+storage alone/0 isolated-uncovered"),
}
PLANTED = {planted.name(words): planted for words, planted in _WORDS.items()}
"""By their names in the table. Each should be found by the search alone. The age of the evidence has two guards: the
question, and the deadline that a start bears."""

GUARDS: dict[str, tuple[Edit, ...]] = {
    "the look after the fence": (
        Edit(
            START_VM,
            "nowhere_else",
            "harmless = (yield from shut_out_hosts(vm_run, view.memory)) | kept_out\n"
            "    copies = rival_copies(vm_run, looks, harmless)",
            "yield from shut_out_hosts(vm_run, view.memory)\n    copies: dict[HostName, int] = {}",
        ),
    ),
    "the look before the fence": (
        Edit(
            START_VM,
            "check_copies",
            "copies = rival_copies(vm_run, looks, harmless)\n    elsewhere",
            "copies = {}\n    elsewhere",
        ),
    ),
    "the look after the start": (_AFTER_START,),
    "the verdict 'alive'": (_ALIVE,),
    "the verdict 'ambiguous'": (Edit(DECISION, "_judge", "if verdict is Verdict.AMBIGUOUS:", "if False:"),),
    "signs of life": (_SIGNS,),
    "what the admin node has seen of life": (
        Edit(FENCING, "_note_what_is_known", "if look is not None and shows_life(look):", "if False:"),
    ),
    "the number of witnesses": (_WITNESSES,),
    "the witnesses": (Edit(DECISION, "_judge_silence", "lacking = witnesses_lacking(case)", 'lacking = ""'),),
    "the storm guard": (
        Edit(
            DECISION,
            "_judge_silence",
            "if cut := next((each for each in case.evidence if isinstance(each, CutOff)), None):",
            "if cut := None:",
        ),
    ),
    "the fences that 'confirm' wants": (
        Edit(DECISION, "_judge_silence", "case Unreachable.CONFIRM if failed:", "case Unreachable.CONFIRM if False:"),
    ),
    "the age of the evidence": (_AGE,),
    "the deadline of a start": (_DEADLINE,),
    "the age of the evidence and the deadline": (_AGE, _DEADLINE),
    "the settling of an earlier start": (_SETTLING,),
    "the lease": (_LEASE,),
}
"""What else may hold where a guard is gone."""
