"""The set of processes one `make demo` runs: started, watched, killed on purpose, stopped."""

from config.processes.leftovers import AlreadyRunning, stop_everything
from config.processes.ports import free_port
from config.processes.supervisor import Processes, ProcessFailed

__all__ = ["AlreadyRunning", "ProcessFailed", "Processes", "free_port", "stop_everything"]
