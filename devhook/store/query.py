"""Which recorded events match a filter, by id, and what became of them.

SQL answers on indexes all that is not asked of a body; bodies are tested here, one at a
time. Pages hold ids alone and start where the last one ended (no OFFSET), so memory
stays small and a page deep in a million events costs what the first one does.

Types get a walk of their own each, merged by id: an index gives the ids of one type in
order, but those of several only after sorting all of them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from devhook.core.match import Filter, matches_glob
from devhook.core.model import Attempt, Delivery
from devhook.store import rows
from devhook.store.reader import Reader
from devhook.store.schema import connect_to_read

_PAGE = 500

_Condition: TypeAlias = tuple[str, Sequence[object]]

_STATUS = """(
    select case d.state when 'done' then 'ok' when 'failed' then 'failed'
        else 'pending' end
    from deliveries d where d.event_id = e.id and d.kind != 'mirror'
    order by d.id desc limit 1
)"""

# In the words of the partial indexes, or SQLite does not use them.
_UNDONE = {"failed": "state = 'failed'", "pending": "state in ('pending', 'claimed')"}

# One step of the index for each type, however many events there are of it.
_TYPES = """
    with recursive types (name) as (
        select min(event_type) from events
        union all
        select (select min(event_type) from events where event_type > name)
        from types where name is not null
    )
    select name from types where name is not null
"""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest delivery of an event to the application, and its newest attempt."""

    delivery: Delivery
    attempt: Attempt | None


def open_reader(path: Path) -> Reader | None:
    """None when nothing was ever recorded there: no database is made."""
    db = connect_to_read(path)
    return None if db is None else Reader(path, db)


def ids(
    reader: Reader,
    chosen: Filter,
    *,
    ranges: Sequence[tuple[int, int]] = (),
    newest_first: bool = False,
    after: int = 0,
    upto: int | None = None,
) -> Iterator[int]:
    """Ids after `after`, up to and with `upto`, of the events that match.

    `ranges` of ids have both ends included. What is recorded later is left out.
    """
    newest = newest_id(reader) or 0
    last = newest if upto is None else min(upto, newest)
    spans = _spans(_in_time(reader, chosen, (after, last)), ranges)
    walks, conditions = _types(reader, chosen), _conditions(chosen)
    found = chain.from_iterable(
        merge(
            *(_walk(reader, [*w, *conditions], span, newest_first) for w in walks),
            reverse=newest_first,
        )
        for span in (reversed(spans) if newest_first else spans)
    )
    if chosen.where or chosen.search:
        return (each for each in found if _matches_body(reader, each, chosen))
    return found


def matches(reader: Reader, chosen: Filter, event_id: int) -> bool:
    """Whether that event, which is recorded, is chosen."""
    only = ids(reader, chosen, after=event_id - 1, upto=event_id)
    return next(only, None) is not None


def newest_id(reader: Reader) -> int | None:
    newest: int | None = reader.rows("select max(id) from events")[0][0]
    return newest


def types(reader: Reader) -> list[str]:
    """Every type that was recorded, in alphabetical order."""
    return [row["name"] for row in reader.rows(_TYPES)]


def status_of(reader: Reader, event_id: int) -> str | None:
    """failed, ok or pending; None when the event was bound for no application.

    Its newest delivery to the application decides; a mirror has no say.
    """
    found = reader.rows(
        f"select {_STATUS} from events e where e.id = ?",  # noqa: S608  our own words
        event_id,
    )
    status: str | None = found[0][0] if found else None
    return status


def latest(reader: Reader, event_id: int) -> Latest | None:
    """None when the event was bound for no application."""
    deliveries = reader.rows(
        "select * from deliveries where event_id = ? and kind != 'mirror'"
        " order by id desc limit 1",
        event_id,
    )
    if not deliveries:
        return None
    delivery = rows.delivery_of(deliveries[0])
    attempts = reader.rows(
        f"select {rows.ATTEMPT_COLUMNS} from attempts a"  # noqa: S608  our own names
        " join deliveries d on d.id = a.delivery_id"
        " where a.delivery_id = ? order by a.id desc limit 1",
        delivery.id,
    )
    return Latest(delivery, rows.attempt_of(attempts[0]) if attempts else None)


def attempts(reader: Reader, *, after: int, upto: int) -> Iterator[Attempt]:
    """Of all events, by id; `upto` is included."""
    while after < upto:
        page = reader.rows(
            f"select {rows.ATTEMPT_COLUMNS} from attempts a"  # noqa: S608
            " join deliveries d on d.id = a.delivery_id"
            " where a.id > ? and a.id <= ? order by a.id limit 1",
            after,
            upto,
        )
        if not page:
            return
        after = page[0]["id"]
        yield rows.attempt_of(page[0])


def _walk(
    reader: Reader,
    conditions: Sequence[_Condition],
    span: tuple[int, int],
    newest_first: bool,
) -> Iterator[int]:
    """Page by page."""
    after, upto = span
    wanted = "".join(f" and {sql}" for sql, _ in conditions)
    values = [value for _, each in conditions for value in each]
    order = "desc" if newest_first else "asc"
    while after < upto:
        page = reader.rows(
            "select e.id from events e where e.id > ? and e.id <= ?"  # noqa: S608
            f"{wanted} order by e.id {order} limit {_PAGE}",
            after,
            upto,
            *values,
        )
        yield from (row["id"] for row in page)
        if len(page) < _PAGE:
            return
        last = page[-1]["id"]
        after, upto = (after, last - 1) if newest_first else (last, upto)


def _in_time(reader: Reader, chosen: Filter, span: tuple[int, int]) -> tuple[int, int]:
    """Narrowed to the first and the last event of the time that was asked for.

    Between them may lie others, where the clock was set back. The plus makes SQLite
    walk the index of times, not the table.
    """
    after, upto = span
    if upto - after <= _PAGE:
        return span
    if chosen.since is not None:
        found = reader.rows(
            "select min(+id) from events where received_at >= ?",
            rows.to_text(chosen.since),
        )
        after = max(after, (found[0][0] or upto + 1) - 1)
    if chosen.until is not None:
        found = reader.rows(
            "select max(+id) from events where received_at < ?",
            rows.to_text(chosen.until),
        )
        upto = min(upto, found[0][0] or 0)
    return after, upto


def _spans(
    whole: tuple[int, int], ranges: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """The ranges within the whole, in order and apart; the whole where there are none.

    The first id of a span is no longer in it, the last one is.
    """
    if not ranges:
        return [whole]
    spans: list[tuple[int, int]] = []
    after, upto = whole
    for first, last in sorted(ranges):
        span = (max(after, first - 1), min(upto, last))
        if span[0] < span[1]:
            spans.append(span)
            after = span[1]
    return spans


def _types(reader: Reader, chosen: Filter) -> list[list[_Condition]]:
    """What each walk asks of the type: nothing, when all types are wanted."""
    if not chosen.types:
        return [[]]
    recorded = types(reader)
    wanted = [name for name in recorded if matches_glob(name, chosen.types)]
    untyped = matches_glob("", chosen.types)
    if untyped and wanted == recorded:
        return [[]]
    walks: list[list[_Condition]] = [[("e.event_type = ?", [n])] for n in wanted]
    return [*walks, [("e.event_type is null", [])]] if untyped else walks


def _conditions(chosen: Filter) -> list[_Condition]:
    """All but type and body; empty ones are not asked.

    The plus keeps SQLite off the index of times, which would need a sort by id.
    """
    found = [
        _either("e.session_id", chosen.sessions),
        _either("e.call_id", chosen.calls),
        _resource(chosen.resources),
        _either("e.signature", chosen.signatures),
        _status(chosen.statuses),
        ("+e.received_at >= ?", [rows.to_text(chosen.since)] if chosen.since else []),
        ("+e.received_at < ?", [rows.to_text(chosen.until)] if chosen.until else []),
    ]
    return [(sql, values) for sql, values in found if values]


def _either(column: str, wanted: Sequence[object]) -> _Condition:
    return f"{column} in ({', '.join('?' * len(wanted))})", wanted


def _status(wanted: Sequence[str]) -> _Condition:
    """Unless ok is wanted, an index has the few events that come into question."""
    sql, values = _either(_STATUS, wanted)
    if not all(status in _UNDONE for status in wanted):
        return sql, values
    events = " union all ".join(
        f"select event_id from deliveries where {_UNDONE[status]}"  # noqa: S608
        for status in wanted
    )
    return f"e.id in ({events}) and {sql}", values


def _resource(wanted: Sequence[str]) -> _Condition:
    """Ids or kinds. No kind is called like a UUID, and only ids have an index."""
    sql, values = _either("e.resource_id", wanted)
    if all(_UUID.fullmatch(each) for each in wanted):
        return sql, values
    kinds, _ = _either("e.resource", wanted)
    return f"({sql} or {kinds})", [*values, *values]


def _matches_body(reader: Reader, event_id: int, chosen: Filter) -> bool:
    found = reader.rows("select body from events where id = ?", event_id)
    return bool(found) and chosen.matches_body(found[0]["body"])
