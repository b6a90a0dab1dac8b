"""What a run and its guardian say to each other: one JSON object a line, over pipes.

The plan holds all that a restore needs, the credential included, so that it goes by
pipe alone: never in argv, an environment or a file. The guardian holds each record
before the run takes the step that follows it.

An order to restore or to park carries a number, and `restoring` and `ended` name the
newest that they answer, and with it all before it; none is a restore that the guardian
began by itself.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from devhook.core.clock import Moment
from devhook.core.model import Setting, Stage, Takeover
from devhook.core.network import Credential, Network
from devhook.core.takeover import Ending, Restored

BEAT_EVERY: Final = 5.0
SILENCE: Final = 20.0
"""Seconds without a word after which a run counts as standing still."""

ANSWERED_WITHIN: Final = 10.0
"""Seconds for a whole exchange with the API, however slowly it drips."""

GIVEN_UP_AFTER: Final = 24 * 3600.0
"""Seconds for which a guardian tries to reach an API that stays away."""


class Order(StrEnum):
    """What the run tells its guardian."""

    PLAN = "plan"
    KEEP = "keep"
    BEAT = "beat"
    RESTORE = "restore"
    PARK = "park"
    REPEAT = "repeat"


class Word(StrEnum):
    """What the guardian answers."""

    READY = "ready"
    KEPT = "kept"
    BEAT = "beat"
    RESTORING = "restoring"
    MOVED = "moved"
    TROUBLE = "trouble"
    ENDED = "ended"
    REPEATED = "repeated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the account is reached, and when to do what. Durations are seconds.

    `state` is the folder of the records, `guardian` the mark of the guardian's own
    process, `agents` the processes that carry the tunnel and end with the session.
    """

    state: str
    api_url: str
    credential: Credential = field(repr=False)
    network: Network = field(repr=False)
    bound: float
    guardian: str = ""
    agents: tuple[int, ...] = ()
    silence: float = SILENCE
    answered: float = ANSWERED_WITHIN
    within: float = GIVEN_UP_AFTER


def line(what: Order | Word, **fields: object) -> bytes:
    return json.dumps({"what": what, **fields}).encode() + b"\n"


def read_line(text: bytes) -> dict[str, Any]:
    """Raises ValueError for what this version does not understand."""
    found = json.loads(text)
    if not isinstance(found, dict) or "what" not in found:
        raise ValueError("no message")
    return found


def packed_plan(plan: Plan) -> dict[str, Any]:
    return asdict(
        replace(plan, network=replace(plan.network, environ=dict(plan.network.environ)))
    )


def read_plan(value: dict[str, Any]) -> Plan:
    return Plan(
        **value
        | {
            "credential": Credential(**value["credential"]),
            "network": Network(**value["network"]),
            "agents": tuple(value["agents"]),
        }
    )


def packed_record(record: Takeover) -> dict[str, Any]:
    value = asdict(record)
    value["started_at"] = record.started_at.isoformat()
    value["ended_at"] = record.ended_at and record.ended_at.isoformat()
    if record.put is not None:
        value["put"]["wall"] = record.put.wall.isoformat()
    return value


def read_record(value: dict[str, Any]) -> Takeover:
    put, ended_at = value["put"], value["ended_at"]
    return Takeover(
        **value
        | {
            "root": Setting(**value["root"]),
            "stage": Stage(value["stage"]),
            "started_at": datetime.fromisoformat(value["started_at"]),
            "ended_at": ended_at and datetime.fromisoformat(ended_at),
            "put": put
            and Moment(**put | {"wall": datetime.fromisoformat(put["wall"])}),
        }
    )


def packed_restored(restored: Restored) -> dict[str, Any]:
    return asdict(restored)


def read_restored(value: dict[str, Any]) -> Restored:
    setting = value["setting"]
    return Restored(
        ending=Ending(value["ending"]),
        setting=setting and Setting(**setting),
        error=value["error"],
    )
