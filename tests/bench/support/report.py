"""How every benchmark reports: a table for people, or one JSON object."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

Cell = str | float | int


@dataclass(slots=True)
class Report:
    """Figures by name, and the rows shown with them."""

    bench: str
    machine: Mapping[str, str]
    figures: dict[str, float] = field(default_factory=dict)
    columns: Sequence[str] = ()
    rows: list[Sequence[Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def print(self, *, as_json: bool) -> None:
        """Write it to standard output."""
        if as_json:
            rounded = {name: float(f"{figure:.4g}") for name, figure in self.figures.items()}
            print(json.dumps({"bench": self.bench, "figures": rounded}))
            return
        console = Console(soft_wrap=True)
        for name, value in self.machine.items():
            console.print(f"[dim]{name}[/dim] {value}", highlight=False)
        table = Table(*self.columns, title=self.bench, width=110)
        table.columns[0].no_wrap = True
        for index in range(1, len(self.columns)):
            table.columns[index].justify = "right"
        for row in self.rows:
            table.add_row(*map(_shown, row))
        console.print(table)
        for name, figure in self.figures.items():
            console.print(f"{name} = {_shown(figure)}", highlight=False)
        for note in self.notes:
            console.print(f"[dim]{note}[/dim]", highlight=False)


def _shown(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def arguments(about: str, *, seconds: float) -> argparse.ArgumentParser:
    """The options that every benchmark takes; `seconds` is the default length of one round."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    parser.add_argument("--seconds", type=float, default=seconds, help="length of one round")
    return parser


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0..1) of the values do not exceed; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
