"""Invariants about what was pulled and what other systems sent in; pure."""

from collections import Counter, defaultdict

from tests.chaos.histories import Delivery, History, Inbound, Page
from tests.chaos.violations import Violation, violation


def pages_are_the_committed_set(history: History) -> list[Violation] | None:
    """9. Pull pages together are the committed set, once each, in order per subject."""
    consumers: dict[str, list[Page]] = defaultdict(list)
    for page in history.pages:
        consumers[page.consumer].append(page)
    if not consumers:
        return None
    found = []
    changes = {one.id: one for one in history.changes}
    for consumer, pages in consumers.items():
        found += _differing_answers(consumer, pages)
        pulled = [one for page in _distinct(pages) for one in page.ids]
        counts = Counter(pulled)
        missing = [one for one in history.changes if one.id not in counts]
        if missing:
            words = f"{len(missing)} changes were on no page of {consumer}"
            found.append(violation(words, *missing))
        repeated = [one for one, count in counts.items() if count > 1]
        if repeated:
            words = f"{len(repeated)} changes were on several pages of {consumer}"
            found.append(violation(words, *(changes.get(one, one) for one in repeated)))
        latest: dict[str, int] = {}
        for one in pulled:
            change = changes.get(one)
            if change and change.seq <= latest.get(change.subject, -1) and counts[one] == 1:
                words = f"{consumer} pulled {change.subject} v{change.version} after a later one"
                found.append(violation(words, change))
            elif change:
                latest[change.subject] = change.seq
    return found


def _distinct(pages: list[Page]) -> list[Page]:
    """The pages that count: of several answers to one cursor the last that led on."""
    by_cursor: dict[str, Page] = {}
    for page in sorted(pages, key=lambda page: page.began):
        if page.ids or page.cursor not in by_cursor:
            by_cursor[page.cursor] = page
    return sorted(by_cursor.values(), key=lambda page: page.began)


def _differing_answers(consumer: str, pages: list[Page]) -> list[Violation]:
    """An answer that led on must never change; an empty one leads nowhere."""
    answers: dict[str, set[str]] = defaultdict(set)
    for page in pages:
        if page.ids:
            answers[page.cursor].add(page.sha)
    return [
        violation(f"{consumer} got {len(several)} different pages for one cursor", cursor)
        for cursor, several in answers.items()
        if len(several) > 1
    ]


def no_echo(history: History) -> list[Violation] | None:
    """10. An edit that came from a system goes once to each other one, and not back to it."""
    owners = {one.source: one.name for one in history.endpoints if one.source}
    edits = [one for one in history.changes if one.source in owners and one.source_event_id]
    if not edits:
        return None
    found = []
    acknowledged: dict[str, list[Delivery]] = defaultdict(list)
    for one in history.deliveries:
        if one.is_acknowledged:
            for told in one.stands_for:
                acknowledged[told].append(one)
    for edit in edits:
        origin = owners[edit.source]
        back = [one for one in acknowledged[edit.id] if one.endpoint == origin]
        if back and edit.withheld_from == edit.source:
            words = f"an edit of {edit.subject} from {edit.source} went back to it"
            found.append(violation(words, edit, *back))
        for endpoint in history.endpoints:
            sent = [one for one in acknowledged[edit.id] if one.endpoint == endpoint.name]
            if endpoint.name != origin and endpoint.wants(edit) and not sent:
                words = f"an edit of {edit.subject} from {edit.source} never reached"
                found.append(violation(f"{words} {endpoint.name}", edit))
    return found


def each_id_once(history: History) -> list[Violation] | None:
    """11. One inbound id sent k times makes one change."""
    if not history.inbound:
        return None
    found = []
    made: dict[tuple[str, str], Counter[tuple[str, str, str]]] = defaultdict(Counter)
    for change in history.changes:
        if change.source_event_id:
            key = change.source, change.source_event_id
            made[key][change.subject, change.kind, change.field] += 1
    calls: dict[tuple[str, str], list[Inbound]] = defaultdict(list)
    for call in history.inbound:
        calls[call.source, call.id].append(call)
    for key, several in calls.items():
        most = max(made[key].values(), default=0)
        if most > 1:
            words = f"id {key[1]} of {key[0]}, sent {len(several)} times, made {most} changes"
            found.append(violation(words, made[key]))
        taken = [one for one in several if one.status == 200 and one.outcome == "applied"]
        if taken and not most:
            words = f"id {key[1]} of {key[0]} was answered 200 and made no change"
            found.append(violation(words, *several))
    return found
