"""`hafence audit`: the check for cron and monitoring, read-only unless it is told to renew."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..context import Options, read_inventory, store_url
from ..options import common_options, json_option, pass_options
from ..show.output import out, out_folded, print_document, say

if TYPE_CHECKING:
    from ...core.model import HostName, Inventory
    from ...core.storage.results import HowLong, Renewed
    from ...core.survey import Finding, Severity, Survey


@click.command("audit", short_help="Check fence paths and VMs, read-only, for cron.")
@click.option("--renew", is_flag=True, help="Make storage fences of quarantined hosts last that end: a run of its own.")
@click.option("--capture", is_flag=True, help="Keep definitions of running VMs that are new: a run of its own.")
@click.option("--matrix", is_flag=True, help="Show who can be fenced through whom, with the age of what was seen.")
@click.option(
    "--textfile",
    metavar="PATH",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the figures there, for node_exporter (a name that ends in .prom).",
)
@json_option
@common_options
@pass_options
def audit(options: Options, renew: bool, capture: bool, matrix: bool, textfile: Path | None) -> int:
    """Rehearse the fence of every host through some of its siblings, all of them in turn, and look for every VM;
    change nothing.

    In a pipe: one status line with performance data, then the findings, the worst first. On a terminal: what was
    found by cause, the worst first, each with what to type; with -v every finding too. Exit 0 OK, 1 WARNING,
    2 CRITICAL, 3 UNKNOWN (also for a usage error). With -q it is silent when all is well.

    What it changes, and only where it is told to: with --renew a quarantined host whose entries on Ceph's blocklist
    end is kept shut out; with --capture the store keeps what VMs run with now, from which they are started then.
    """
    _check_textfile(textfile)
    inventory = read_inventory(options)

    from ...adapters.local.seen_paths import AuditUnderWay, only_audit
    from ...core.audit import find_all, worst
    from ...core.survey import Severity
    from ..audit_capture import captured_objects, keep_captures
    from ..show.audit import counts_of, finding_object, one_line, print_by_cause, print_lines
    from ..show.matrix import matrix_object, print_matrix

    url, begun = store_url(options, inventory), time.monotonic()
    try:
        with only_audit(url):
            scene, renewed, lost = _look(options, inventory, url, renew)
            scene, kept = keep_captures(inventory, url, scene) if capture else (scene, ())
    except AuditUnderWay:
        return _is_under_way(options)
    findings = find_all(scene)
    status = worst(findings)
    counts, seconds = counts_of(scene, findings), time.monotonic() - begun
    if options.json:
        found = [finding_object(finding) for finding in findings]
        done: dict[str, Any] = {}
        if renew:
            done["renewed"] = [{"host": host, "says": each.says} for host, each in renewed.items()]
        done |= {"captured": captured_objects(inventory, kept)} if capture else {}
        done |= {"matrix": matrix_object(scene)} if matrix else {}
        print_document({"status": status.name, "findings": found, "counts": counts, **done})
    elif not (options.quiet and status is Severity.OK):
        if sys.stdout.isatty():
            print_by_cause(scene, findings, seconds, options.verbose > 0)
        else:
            print_lines(status, findings, counts)
        for host, each in renewed.items():
            out_folded(one_line(f"renewed {host}: {each.says}"))
        for each_kept in kept:
            out_folded(f"captured {inventory.vms[each_kept.vm].name} on {each_kept.host}")
    if matrix and not options.json:
        print_matrix(scene)
    if lost and not options.quiet:
        say(f"hafence: {lost}: the next audit begins anew with them")
    return status if textfile is None else _write(textfile, scene, findings, counts, seconds)


def _check_textfile(textfile: Path | None) -> None:
    """What would keep the figures from being written, found before any host is asked."""
    if textfile is None:
        return
    from ..show.metrics import unfit

    if why := unfit(textfile):
        raise click.UsageError(why)


def _write(
    textfile: Path, scene: Survey, findings: tuple[Finding, ...], counts: dict[str, int], seconds: float
) -> Severity:
    """The status: whoever looks at the figures alone would not hear of one that is well, where they are old."""
    from ...core.audit import worst
    from ...core.survey import Severity
    from ..show.metrics import write_metrics

    status = worst(findings)
    failed = write_metrics(textfile, scene, findings, counts, seconds)
    if failed:
        say(f"hafence: {failed}")
    return Severity.UNKNOWN if failed and status is Severity.OK else status


def _look(options: Options, inventory: Inventory, url: str, renew: bool) -> tuple[Survey, dict[HostName, Renewed], str]:
    """The audit, what it has renewed, and why what it has seen of paths could not be kept ('' where it was)."""
    from ...adapters.local.seen_paths import keep_seen, read_seen
    from ...core.audit_paths import paths_seen
    from ...runner import open_session
    from ...workflows.audit import audit as workflow
    from ...workflows.rehearse import expected
    from ...workflows.vm_run import Request
    from ..show.progress import Progress
    from ..show.voices import QuietVoice

    voice, seen = QuietVoice(), read_seen(url)
    with (
        Progress(expected(inventory), not options.quiet) as progress,
        open_session(
            inventory, url, "audit", (), {}, voice, dry_run=True, unread=True, progress=progress.one_more
        ) as session,
    ):
        request = Request(session.run_id, inventory, dry_run=True, store_id=session.store_id)
        scene = session.play(workflow(request, seen))
    lost = keep_seen(url, paths_seen(scene))
    return (*(_renew(inventory, url, scene) if renew else (scene, {})), lost)


def _is_under_way(options: Options) -> int:
    from ...core.outcome import Exit
    from ...core.survey import Severity

    says = "another audit of this store is under way on this machine: wait for it"
    if options.json:
        error = {"exit": int(Exit.BUSY), "message": says, "errors": []}
        print_document({"status": Severity.UNKNOWN.name, "findings": [], "error": error})
    else:
        out(f"HAFENCE {Severity.UNKNOWN.name} - {says}")
    return Severity.UNKNOWN


def _renew(inventory: Inventory, url: str, scene: Survey) -> tuple[Survey, dict[HostName, Renewed]]:
    """Make the storage fences last that end and can be made to, as a run of its own; the audit as it is then.

    Where there is none no run is begun: a history is never cut, and cron asks every five minutes.
    """
    from ...core.storage.results import Renewed
    from ...effects import StoreError
    from ...runner import open_session
    from ...workflows.audit import can_be_renewed, not_renewed, renew_storage_fences, with_renewed
    from ...workflows.vm_run import Request
    from ..runs import played
    from ..show.voices import QuietVoice

    ending = can_be_renewed(scene)
    if not ending:
        return scene, {}
    details = {"host": ", ".join(ending), "renew": True}
    try:
        with open_session(inventory, url, "audit", (), details, QuietVoice()) as session:
            workflow = renew_storage_fences(Request(session.run_id, inventory), ending, scene.looks)
            renewed = played(session, workflow, _ended)
    except StoreError as error:
        renewed = not_renewed(ending, error)
    done = {host: each for host, each in renewed.items() if isinstance(each, Renewed)}
    return with_renewed(scene, renewed), done


def _ended(renewed: dict[HostName, HowLong]) -> tuple[int, dict[str, Any]]:
    """The end of the run that renews, for the history."""
    from ...core.storage.results import Lasts, NoneThere, Renewed
    from ...core.survey import Severity

    well = all(isinstance(each, Lasts | NoneThere | Renewed) for each in renewed.values())
    told = {host: each.says for host, each in renewed.items() if not isinstance(each, Lasts)}
    return Severity.OK if well else Severity.CRITICAL, {"renewed": told}
