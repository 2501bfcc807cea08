"""Finding a TCP port for the demo's servers."""

import socket
from contextlib import suppress


def free_port(preferred: int, *, host: str = "127.0.0.1", tries: int = 100) -> int:
    """The first port from `preferred` upwards on which nobody listens.

    Raises OSError when none of `tries` ports is free.
    """
    for port in range(preferred, preferred + tries):
        with socket.socket() as probe, suppress(OSError):
            # Connections of an earlier run still closing do not make a port taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
            return port
    raise OSError(f"Ports {preferred} to {preferred + tries - 1} on {host} are all taken.")
