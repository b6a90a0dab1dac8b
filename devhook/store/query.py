"""Filters -> events: by index what an index can answer, the rest on what comes of it.

Read in pages by id (no OFFSET), so that memory stays small and a page deep in a million
events costs what the first one does.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from devhook.core.match import Filter
from devhook.core.model import Event
from devhook.store import rows
from devhook.store.reader import Reader

_PAGE = 200
_GLOB = frozenset("*?[,")

# What became of an event: its newest delivery to the application decides.
_STATUS = (
    "(select case d.state when 'done' then 'ok' when 'failed' then 'failed'"
    " else 'pending' end from deliveries d where d.event_id = e.id"
    " and d.kind != 'mirror' order by d.id desc limit 1)"
)


@dataclass(frozen=True, slots=True)
class Found:
    """An event and what became of it: failed, ok, pending, None when not forwarded."""

    event: Event
    status: str | None


def find(
    reader: Reader,
    chosen: Filter,
    *,
    ranges: Sequence[tuple[int, int]] = (),
    newest_first: bool = False,
    after: int = 0,
    limit: int | None = None,
) -> Iterator[Found]:
    """The events that match, by id; `ranges` of ids are both ends included."""
    clauses, values = _clauses(chosen, ranges)
    edge = None if newest_first else after
    left = limit
    while left is None or left > 0:
        page = _page(reader, clauses, values, edge, newest_first)
        for row in page:
            found = Found(rows.event_of(row), row["status"])
            if chosen.matches(found.event, status=found.status):
                yield found
                if left is not None:
                    left -= 1
                    if not left:
                        return
        if len(page) < _PAGE:
            return
        edge = page[-1]["id"]


def newest_id(reader: Reader) -> int | None:
    found = reader.rows("select max(id) as newest from events")
    newest: int | None = found[0]["newest"]
    return newest


def _page(
    reader: Reader,
    clauses: list[str],
    values: list[object],
    edge: int | None,
    newest_first: bool,
) -> list[sqlite3.Row]:
    order = "desc" if newest_first else "asc"
    bounds = [] if edge is None else [f"e.id {'<' if newest_first else '>'} ?"]
    where = " and ".join([*clauses, *bounds]) or "1"
    sql = (
        f"select e.*, {_STATUS} as status from events e"  # noqa: S608  our own clauses
        f" where {where} order by e.id {order} limit {_PAGE}"
    )
    return reader.rows(sql, *values, *([] if edge is None else [edge]))


def _clauses(
    chosen: Filter, ranges: Sequence[tuple[int, int]]
) -> tuple[list[str], list[object]]:
    clauses: list[str] = []
    values: list[object] = []

    def either(column: str, wanted: Sequence[object]) -> None:
        if wanted:
            clauses.append(f"{column} in ({', '.join('?' * len(wanted))})")
            values.extend(wanted)

    if not any(_GLOB & set(name) for name in chosen.types):
        either("e.event_type", chosen.types)
    either("e.session_id", chosen.sessions)
    either("e.call_id", chosen.calls)
    either("e.signature", chosen.signatures)
    either(_STATUS, chosen.statuses)
    if chosen.since is not None:
        clauses.append("e.received_at >= ?")
        values.append(rows.to_text(chosen.since))
    if chosen.until is not None:
        clauses.append("e.received_at < ?")
        values.append(rows.to_text(chosen.until))
    if ranges:
        clauses.append("(" + " or ".join("e.id between ? and ?" for _ in ranges) + ")")
        values.extend(edge for both in ranges for edge in both)
    return clauses, values
