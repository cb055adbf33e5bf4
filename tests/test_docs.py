"""The documents say what the program does: nothing that a user can type, write or parse is missing from them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hafence import __version__
from hafence.cli.app import hafence
from hafence.cli.context import Options
from hafence.cli.show.history import RULES
from hafence.core.attempts import Verdict
from hafence.core.model import HostState, StartMode, Unreachable
from hafence.core.outcome import Decision, Exit
from hafence.core.reasons import Reason
from hafence.core.survey import Code
from hafence.inventory.check import TOP_KEYS
from hafence.inventory.hosts import CLUSTER_KEYS, HOST_KEYS
from hafence.inventory.settings import CEPH_KEYS, FENCING, SSH_KEYS
from hafence.inventory.vms import VM_KEYS
from hafence.sim.commands import verbs
from hafence.sim.events import BMC, FIREWALL, LACKS, LIBVIRTD, SSHD, STARTS
from tests.lab.require import lack

ROOT = Path(__file__).parents[1]
MAN = (ROOT / "man/hafence.1").read_text()
README = (ROOT / "README.md").read_text()


def commands(group: click.Group = hafence, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that can be typed, with its whole name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


ALL = dict(commands())
OPTIONS = sorted(
    {
        option
        for command in (hafence, *ALL.values())
        for param in command.get_params(click.Context(command))
        if isinstance(param, click.Option)
        for option in param.opts
    }
)


def section(title: str) -> str:
    """One section of the man page."""
    found = re.search(rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)", MAN, re.S | re.M)
    assert found is not None, title
    return found[1]


@pytest.mark.parametrize("name", ALL)
def test_every_command_is_in_the_man_page_and_the_readme(name: str) -> None:
    assert re.search(rf"^\.It Cm {name}\b", section("COMMANDS"), re.M)
    assert re.search(rf"^\.Cm {name}$", section("SYNOPSIS"), re.M)
    assert re.search(rf"`(hafence )?{name}\b", README)


@pytest.mark.parametrize("name", ALL)
def test_every_command_says_what_it_does_in_the_list_and_in_its_help(name: str) -> None:
    command = ALL[name]
    assert command.short_help
    assert command.help
    assert len(command.short_help) <= 60
    for param in command.get_params(click.Context(command)):
        if isinstance(param, click.Option):
            assert param.help, param.opts


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_in_the_man_page(option: str) -> None:
    name = option[1:].replace("-", r"\-", 1) if option.startswith("--") else option[1:]
    assert re.search(rf"Fl {re.escape(name)}(?![\w-])", MAN)


TYPED = re.findall(r"^\.Dl hafence (.*)$", section("RUNBOOK"), re.M)


@pytest.mark.parametrize("line", TYPED)
def test_every_command_of_the_runbook_can_be_typed(line: str) -> None:
    words = line.split()
    name = next(name for name in sorted(ALL, key=len, reverse=True) if line.startswith(name))
    try:
        context = ALL[name].make_context(name, words[len(name.split()) :], obj=Options())
    except click.UsageError as error:
        pytest.fail(error.format_message())
    assert not context.args


def test_the_runbook_names_the_words_of_its_cases_and_stands_near_the_front() -> None:
    assert len(TYPED) >= 15
    titles = re.findall(r"^\.Sh (.*)$", MAN, re.M)
    assert titles.index("RUNBOOK") < titles.index("OPTIONS")
    words = set(re.findall(r"\b[a-z]+_[a-z_]+\b", section("RUNBOOK")))
    assert words == {"ask_on_silence", "two_copies", "split_brain", "start_unknown", "no_sibling", "no_target"}
    assert words <= {*(reason.value for reason in Reason), *(code.value for code in Code), *FENCING}


@pytest.mark.parametrize("code", Exit)
def test_every_exit_code_is_in_the_man_page(code: Exit) -> None:
    assert re.search(rf"^\.It {int(code)}$", section("EXIT STATUS"), re.M)


@pytest.mark.parametrize("verb", verbs())
def test_every_event_of_a_scenario_is_in_the_man_page(verb: str) -> None:
    assert re.search(rf"^\.It Cm (.* , Cm )?{verb}\b", section("SCENARIOS"), re.M)


@pytest.mark.parametrize("value", [*SSHD, *LIBVIRTD, *FIREWALL, *LACKS, *BMC, *STARTS])
def test_every_word_of_an_event_is_in_the_man_page(value: str) -> None:
    assert re.search(rf"\b{value}\b", section("SCENARIOS"))


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_in_the_man_page_and_has_its_rule(reason: Reason) -> None:
    assert re.search(rf"^\.It Cm {reason.value}$", section("REASONS"), re.M)
    assert RULES[reason.value]


def test_no_reason_is_documented_that_does_not_exist() -> None:
    words = {reason.value for reason in Reason}
    assert set(re.findall(r"^\.It Cm (\S+)$", section("REASONS"), re.M)) == words
    assert set(RULES) == words


@pytest.mark.parametrize("word", [*Decision, *Verdict, *Unreachable, *HostState, *StartMode], ids=str)
def test_every_word_of_the_json_and_the_inventory_is_in_the_man_page(word: Decision) -> None:
    assert re.search(rf"\b{word.value}\b", MAN)


KEYS = {
    "top": TOP_KEYS,
    "ssh": SSH_KEYS,
    "fencing": tuple(FENCING),
    "clusters": CLUSTER_KEYS,
    "hosts": HOST_KEYS,
    "vms": VM_KEYS,
}


@pytest.mark.parametrize(("where", "key"), [(where, key) for where, keys in KEYS.items() for key in keys])
def test_every_key_of_the_inventory_is_in_the_man_page(where: str, key: str) -> None:
    inventory = section("INVENTORY")
    if where != "top":
        found = re.search(rf"^\.It Cm {where}\n(.*?)^\.El", inventory, re.S | re.M)
        assert found is not None
        inventory = found[1]
    assert re.search(rf"^\.It Cm {key}$", inventory, re.M)


def test_every_key_of_ceph_is_in_the_man_page() -> None:
    for key in CEPH_KEYS:
        assert re.search(rf"\b{key}\b", section("INVENTORY"))


def test_every_audit_finding_is_in_the_man_page() -> None:
    for code in Code:
        assert re.search(rf"^\.It Cm (\w+ , )*{code.value}\b", section("AUDIT"), re.M), code


def test_the_man_page_is_clean() -> None:
    if shutil.which("mandoc") is None:
        lack("needs mandoc (Debian package mandoc)")
    said = subprocess.run(["mandoc", "-Tlint", ROOT / "man/hafence.1"], capture_output=True, text=True, check=False)
    assert said.stdout == ""
    assert said.returncode == 0


ADRS = sorted(path for path in (ROOT / "docs/adr").glob("*.md") if path.name != "README.md")
INDEX = (ROOT / "docs/adr/README.md").read_text()


@pytest.mark.parametrize("page", ADRS, ids=lambda page: page.stem)
def test_every_decision_has_its_headings_and_its_line_in_the_index(page: Path) -> None:
    text = page.read_text()
    assert re.match(r"# \S.*\n\n", text)
    assert re.findall(r"^## (.*)$", text, re.M) == ["Context", "Decision", "Consequences", "What would change our mind"]
    assert all(part.strip() for part in re.split(r"^## .*$", text, flags=re.M))
    assert len(text.splitlines()) <= 60
    assert INDEX.count(f"| [{page.stem[:4]}]({page.name}) |") == 1


def test_decisions_are_numbered_without_a_gap_and_no_line_of_the_index_leads_nowhere() -> None:
    assert [page.stem[:5] for page in ADRS] == [f"{number:04}-" for number in range(1, len(ADRS) + 1)]
    assert set(re.findall(r"\((\d{4}-[^)]*)\)", INDEX)) == {page.name for page in ADRS}


DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_link_leads_nowhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        assert link.startswith("https://") or (document.parent / link).exists(), link


def test_the_changelog_begins_with_what_is_unreleased_and_each_release_has_its_date() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[0] == "Unreleased"
    releases = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - (\d{4}-\d\d-\d\d)", heading) for heading in headings[1:]]
    assert all(releases)
    versions = [tuple(map(int, release.groups()[:3])) for release in releases if release]
    assert versions == sorted(set(versions), reverse=True)


def test_the_version_stands_in_one_place() -> None:
    told = re.compile(rf"(?<![\d.]){re.escape(__version__)}(?![\d.])")
    for name in ("setup.cfg", "pyproject.toml", "man/hafence.1", "README.md"):
        assert not told.search((ROOT / name).read_text()), name
    assert "version = attr: hafence.__version__" in (ROOT / "setup.cfg").read_text()
