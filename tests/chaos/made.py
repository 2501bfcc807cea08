"""Histories made by hand, for the tests of the checker."""

from tests.chaos.histories import Change, Delivery, Endpoint, History, Replay, Write

A = Endpoint("a")


def change(seq: int, subject: str = "probe:P1", version: int = 0, **more) -> Change:
    token = more.pop("token", f"t{seq}")
    return Change(seq, seq, f"id{seq}", subject, version or seq, token=token, value=seq, **more)


def delivery(seq: int, began: float, status: int | None = 204, **more) -> Delivery:
    return Delivery(
        endpoint=more.pop("endpoint", "a"),
        request=more.pop("request", round(began * 1000)),
        id=more.pop("id", f"id{seq}"),
        seq=seq,
        subject=more.pop("subject", "probe:P1"),
        version=more.pop("version", seq),
        sha=more.pop("sha", f"sha{seq}"),
        began=began,
        ended=more.pop("ended", began + 0.1),
        status=status,
        value=more.pop("value", seq),
        token=more.pop("token", f"t{seq}"),
        **more,
    )


def write(seq: int, at: float = 0.0, outcome: str = "committed") -> Write:
    return Write(f"t{seq}", at, at + 0.01, outcome, ["probe:P1"])


def history(*deliveries: Delivery, seqs: tuple[int, ...] = (1, 2), **more) -> History:
    """Changes 1 and 2 of one probe, committed at 0, for the endpoint a."""
    return History(
        endpoints=more.pop("endpoints", [A]),
        changes=more.pop("changes", [change(seq) for seq in seqs]),
        writes=more.pop("writes", [write(seq) for seq in seqs]),
        deliveries=list(deliveries),
        **more,
    )


GOOD = history(delivery(1, 1.0), delivery(2, 2.0), rows={"probe:P1": {"value": 2}})


TOLD = [delivery(1, 1.0), delivery(2, 2.0)]


def again(seq: int, began: float, **more) -> Delivery:
    return delivery(seq, began, is_replay=True, **more)


def asked(*ids: str, began: float = 3.0, subjects: tuple[str, ...] = ()) -> Replay:
    return Replay("a", began, began + 0.1, list(subjects), list(ids))
