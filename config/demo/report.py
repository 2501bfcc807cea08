"""The demo's last words: tables in which every number stands beside the one expected."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from rich.console import Console
from rich.table import Table

from config.demo.checks import Check, Section
from config.demo.figures import Receiver

GOOD, BAD = "[green]✓[/green]", "[bold red]✗[/bold red]"


def show(
    console: Console, sections: list[Section], receivers: list[Receiver], parked: int
) -> list[str]:
    """Print the report; the lines that do not agree, in words."""
    wrong: list[str] = []
    for section in sections:
        console.print(_section_table(section))
        wrong += [f"{section.title}: {_in_words(one)}" for one in section.checks if not one.agrees]
    console.print(_receiver_table(receivers))
    for receiver in receivers:
        wrong += [f"{receiver.name}: {what}" for what in _faults(receiver)]
    if parked:
        wrong.append(_("%(count)d subjects are parked") % {"count": parked})
    return wrong


def conclude(console: Console, wrong: list[str], seconds: float) -> None:
    """One sentence on the whole, and every disagreement by name."""
    if not wrong:
        all_well = _("Every number agrees.")
        wall_time = _("Wall time %(seconds).0f s.") % {"seconds": seconds}
        console.print(f"{GOOD} [bold]{all_well}[/bold] {wall_time}")
        return
    count = len(wrong)
    console.print(
        f"{BAD} [bold red]"
        + ngettext("%(count)d number does not agree:", "%(count)d numbers do not agree:", count)
        % {"count": count}
        + "[/bold red]"
    )
    for line in wrong:
        console.print(f"  {line}", markup=False)


def _section_table(section: Section) -> Table:
    table = Table(title=section.title, title_justify="left", title_style="bold", min_width=72)
    table.add_column("", ratio=1)
    table.add_column(_("expected"), justify="right")
    table.add_column(_("found"), justify="right")
    table.add_column("")
    for check in section.checks:
        if check.expected is None:
            table.add_row(check.title, "", str(check.found), "")
        elif check.expected is True:
            table.add_row(check.title, "", check.detail, GOOD if check.agrees else BAD)
        else:
            mark = GOOD if check.agrees else BAD
            table.add_row(check.title, f"{check.expected:,}", f"{check.found:,}", mark)
    return table


def _receiver_table(receivers: list[Receiver]) -> Table:
    table = Table(
        title=_("Changes delivered"), title_justify="left", title_style="bold", min_width=72
    )
    table.add_column("")
    for heading in (
        _("committed"),
        _("received"),
        _("lost"),
        _("never committed"),
        _("out of order"),
        _("repeated"),
        _("altered"),
        _("turned away while off"),
    ):
        table.add_column(heading, justify="right")
    table.add_column("")
    for one in receivers:
        numbers = (
            *(one.committed, one.received, one.lost, one.unknown, one.disordered),
            *(one.repeated, one.altered, one.turned_away),
        )
        mark = BAD if _faults(one) else GOOD
        table.add_row(one.name, *(f"{number:,}" for number in numbers), mark)
    return table


def _faults(receiver: Receiver) -> list[str]:
    """What must be zero and is not; a repeat with the same id and body is no fault."""
    counts = (
        (_("lost"), receiver.lost),
        (_("never committed"), receiver.unknown),
        (_("out of order"), receiver.disordered),
        (_("altered"), receiver.altered),
        (_("forged"), receiver.forged),
    )
    return [f"{what} {count}" for what, count in counts if count]


def _in_words(check: Check) -> str:
    if check.expected is True:
        return f"{check.title}: {check.detail}"
    text = _("%(what)s: expected %(expected)s, found %(found)s") % {
        "what": check.title,
        "expected": check.expected,
        "found": check.found,
    }
    return f"{text} ({check.detail})" if check.detail else text
