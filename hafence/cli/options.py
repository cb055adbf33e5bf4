"""Options and arguments that several commands share, and their completion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from .context import Options, read_inventory

if TYPE_CHECKING:
    from ..core.model import Inventory

F = TypeVar("F", bound=Callable[..., Any])

INVENTORY_PATH = click.Path(readable=False)
"""What can't be read is for the inventory's reader to say, with exit 6, and not an error of usage."""

MOST_WAIT_S = 86400.0


class Duration(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.3
    """A span of time, written as in the inventory: `90`, `90s`, `5m`."""

    name = "duration"

    def __init__(self, most_s: float) -> None:
        self.most_s = most_s

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds."""
        from ..core.parsing import format_duration, parse_duration

        try:
            seconds = parse_duration(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        if seconds > self.most_s:
            self.fail(f"{value} is longer than {format_duration(self.most_s)}.", param, ctx)
        return seconds


pass_options = click.make_pass_decorator(Options, ensure=True)


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Put an option's value where it is looked for, wherever on the line it stood."""
    if value and param.name:
        options = ctx.ensure_object(Options)
        setattr(options, param.name, value)
        options.from_environment.discard(param.name)
        if ctx.get_parameter_source(param.name) is ParameterSource.ENVIRONMENT:
            options.from_environment.add(param.name)


def _common(autoenv: bool) -> tuple[Callable[[F], F], ...]:
    """The options of every command. Only those before the command's name are looked up in the environment."""
    more: Mapping[str, Any] = {"expose_value": False, "callback": _keep, "allow_from_autoenv": autoenv}
    return (
        click.option(
            "-i", "--inventory", metavar="PATH", type=INVENTORY_PATH, help="The inventory file or folder.", **more
        ),
        click.option("--store", metavar="URL", help="The store, instead of the inventory's.", **more),
        click.option("-v", "--verbose", count=True, help="Show every step, also the small ones.", **more),
        click.option("-q", "--quiet", is_flag=True, help="Show the result only.", **more),
    )


def global_options(command: F) -> F:
    """-i, --store, -v and -q before the command's name, also taken from HAFENCE_…."""
    return _apply(command, _common(True))


def common_options(command: F) -> F:
    """-i, --store, -v and -q after the command's name."""
    return _apply(command, _common(False))


def _apply(command: F, options: Iterable[Callable[[F], F]]) -> F:
    for option in reversed(tuple(options)):
        command = option(command)
    return command


def json_option(command: F) -> F:
    """--json, known to whoever reports an error too."""
    return click.option(
        "--json", is_flag=True, expose_value=False, callback=_keep, help="Print one JSON document on stdout."
    )(command)


def run_options(command: F) -> F:
    """What `start-vm`, `fence` and `evacuate` share."""
    return _apply(
        command,
        (
            click.option(
                "--sibling",
                multiple=True,
                metavar="HOST",
                shell_complete=complete_host,
                help="Ask this sibling first. May be given several times.",
            ),
            click.option("--dry-run", is_flag=True, help="Change nothing; show what would be done."),
            click.option("--yes", is_flag=True, help="Also fence a VM that is found healthy on a host that answers."),
            click.option(
                "--wait",
                type=Duration(MOST_WAIT_S),
                default="0",
                metavar="TIME",
                help="Wait so long (90, 90s, 5m) for a lease that another run holds, instead of ending with exit 5.",
            ),
            json_option,
        ),
    )


LONGEST_LINE = 500


def one_line(value: str, what: str) -> str:
    """What a person gives as a reason, as it is recorded: on one line, printable, not too long."""
    text = value.strip()
    if not text or not text.isprintable() or len(text) > LONGEST_LINE:
        raise click.BadParameter(f"say in one line of at most {LONGEST_LINE} letters {what}")
    return text


def complete_vm(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """VM names (and, once digits of one are typed, UUIDs) from the inventory."""
    inventory = _inventory_for_completion(ctx)
    if inventory is None:
        return []
    vms = inventory.vms.values()
    found = [CompletionItem(vm.name, help=f"on {vm.host}") for vm in vms if vm.name.startswith(incomplete)]
    if incomplete:
        found += [CompletionItem(vm.uuid, help=vm.name) for vm in vms if vm.uuid.startswith(incomplete.lower())]
    return sorted(found, key=lambda item: str(item.value))


def complete_host(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Host names from the inventory."""
    inventory = _inventory_for_completion(ctx)
    if inventory is None:
        return []
    hosts = sorted(inventory.hosts.values(), key=lambda host: host.name)
    return [CompletionItem(host.name, help=host.cluster) for host in hosts if host.name.startswith(incomplete)]


def complete_cluster(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Cluster names from the inventory."""
    inventory = _inventory_for_completion(ctx)
    names = sorted(inventory.clusters) if inventory is not None else []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Run ids from the store, newest first."""
    from .context import open_to_read

    inventory = _inventory_for_completion(ctx)
    if inventory is None:
        return []
    try:
        store = open_to_read(ctx.ensure_object(Options), inventory)
        rows = [summary.row for summary in store.runs()]
        store.close()
    except Exception:  # a completion has nobody to tell; the command itself will say what is wrong
        return []
    return [CompletionItem(row.run, help=row.command) for row in rows if row.run.startswith(incomplete)]


def _inventory_for_completion(ctx: click.Context) -> Inventory | None:
    try:
        return read_inventory(ctx.ensure_object(Options))
    except Exception:  # a completion has nobody to tell; the command itself will say what is wrong
        return None
