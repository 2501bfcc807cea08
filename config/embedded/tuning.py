"""PostgreSQL's settings for one small machine; ALTER SYSTEM still overrides them."""

import os
from contextlib import suppress
from pathlib import Path
from shutil import disk_usage


def configuration(sockets: Path, port: int, *, volatile: bool = False) -> str:
    """Text of the configuration file, for a server whose socket stands in `sockets`.

    A volatile server may lose everything in a power cut: for tests, which empty tables often.
    """
    memory_mb = min(512, max(32, _memory_bytes() // 1024**2 // 8))
    settings = {
        "listen_addresses": "''",
        "port": str(port),
        "unix_socket_directories": f"'{sockets}'",
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "max_locks_per_transaction": "256",
        "shared_buffers": f"{memory_mb}MB",
        "wal_compression": "on",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        # Never off: an order that was answered with "taken" must survive a power cut.
        "synchronous_commit": "on",
        "random_page_cost": "1.1",
        "jit": "off",
        "autovacuum_naptime": "15s",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        "log_line_prefix": "'%m [%p] %a '",
    }
    if volatile:
        settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    # Containers often have a /dev/shm too small for parallel queries.
    with suppress(OSError):
        if disk_usage("/dev/shm").total < 256 * 1024**2:
            settings["dynamic_shared_memory_type"] = "mmap"
    lines = [f"{name} = {value}" for name, value in settings.items()]
    return "\n".join(["# Written anew at every start.", *lines]) + "\n"


def _memory_bytes() -> int:
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError):
        sizes.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(sizes)
