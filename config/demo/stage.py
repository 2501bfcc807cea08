"""Where the demo's story is told: its processes, their addresses, and the screen."""

from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from config.demo.children import Addresses
from config.processes import Processes


class Stage:
    """What every scene needs; `began` is a moment of the monotonic clock."""

    def __init__(
        self,
        processes: Processes,
        addresses: Addresses,
        console: Console,
        workspace: Path,
        began: float,
    ) -> None:
        self.processes = processes
        self.addresses = addresses
        self.console = console
        self.workspace = workspace
        self.began = began

    def say(self, text: str) -> None:
        """One line of the story, with the seconds since it began."""
        self.console.print(f"[dim]{monotonic() - self.began:6.1f} s[/dim]  {text}")

    def bar(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
