"""A lean HTTP/1.1 client for many keep-alive connections: one thread, requests made beforehand."""

import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

HOST = "127.0.0.1"
LONGEST_WAIT = 60.0


@dataclass(slots=True)
class Outcome:
    """What a round brought: answers by status, seconds per request, and how long it took.

    `client_cpu` is the CPU time of the client itself, in seconds.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    client_cpu: float = 0.0
    late_bodies: list[bytes] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Count another round in."""
        self.statuses += other.statuses
        self.latencies += other.latencies
        self.elapsed += other.elapsed
        self.client_cpu += other.client_cpu
        self.late_bodies = (self.late_bodies + other.late_bodies)[:5]


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """The bytes of one POST."""
    head = [f"POST {path} HTTP/1.1", f"Host: {HOST}", "Content-Type: application/json"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    head.append(f"Content-Length: {len(body)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class _Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.begun = 0.0
        self.received = b""

    def send(self, data: bytes, begun: float) -> None:
        self.begun = begun
        self.received = b""
        self.socket.sendall(data)

    def answer(self) -> tuple[int, bytes] | None:
        """Status and body once the whole answer is here. Raises ConnectionError when cut off."""
        chunk = self.socket.recv(1 << 18)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self.received += chunk
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self.received[:end].lower()
        start = head.index(b"content-length:") + 15
        stop = head.find(b"\r\n", start)
        length = int(head[start : stop if stop > 0 else None])
        if len(self.received) < end + 4 + length:
            return None
        return int(head[9:12]), self.received[end + 4 :]


def saturate(port: int, requests: Iterable[bytes], clients: int, seconds: float) -> Outcome:
    """Keep `clients` connections busy until the time is over; each waits for its answer."""
    return _run(port, iter(requests), clients, seconds, rate=None)


def arrive(port: int, requests: Iterable[bytes], rate: float, clients: int = 32) -> Outcome:
    """Send at a constant rate, whether answers come or not; latency counts from the due time."""
    return _run(port, iter(requests), clients, float("inf"), rate=rate)


def _run(
    port: int, requests: Iterator[bytes], clients: int, seconds: float, rate: float | None
) -> Outcome:
    outcome = Outcome()
    idle = deque(_Connection(port) for _ in range(clients))
    connections = list(idle)
    selector = selectors.DefaultSelector()
    for connection in connections:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    cpu, started = time.process_time(), time.perf_counter()
    sent = answered = 0
    exhausted = False
    try:
        while True:
            now = time.perf_counter()
            exhausted = exhausted or now - started >= seconds
            while idle and not exhausted:
                due = now if rate is None else started + sent / rate
                if due > now:
                    break
                data = next(requests, None)
                if data is None:
                    exhausted = True
                    break
                idle.popleft().send(data, due)
                sent += 1
            if exhausted and answered == sent:
                break
            pause = LONGEST_WAIT
            if rate is not None and idle and not exhausted:
                pause = max(0.0, started + sent / rate - time.perf_counter())
            events = selector.select(pause)
            if not events and pause == LONGEST_WAIT:
                raise TimeoutError("the server does not answer")
            for key, _mask in events:
                answer = key.data.answer()
                if answer is None:
                    continue
                status, body = answer
                answered += 1
                outcome.statuses[status] += 1
                outcome.latencies.append(time.perf_counter() - key.data.begun)
                if status not in {200, 201}:
                    outcome.late_bodies = [*outcome.late_bodies, body][:5]
                idle.append(key.data)
    finally:
        for connection in connections:
            connection.socket.close()
        selector.close()
    outcome.elapsed = time.perf_counter() - started
    outcome.client_cpu = time.process_time() - cpu
    return outcome
