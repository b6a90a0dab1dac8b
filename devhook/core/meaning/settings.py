"""The meanings of what an account consists of: its numbers, agents, campaigns, AIs.

Only fields named here are ever shown. Those that may hold a secret (`engine_key`,
`init_prompt`, `provider_data`, `direct_hash`, `parameter`, an access key's `token`) are
named nowhere.
"""

from collections.abc import Callable

from devhook.core.meaning.data import Data
from devhook.core.meaning.words import commas, count, human

# name -> what is said of it after its name, in order
_NAMED: dict[str, tuple[str, ...]] = {
    "outdial": ("detail",),
    "queue": ("detail", "routing_method"),
    "flow": ("type", "detail"),
    "accesskey": ("detail",),
    "customer": ("email", "status", "identity_verification_status"),
    "file": ("filename", "reference_type", "detail"),
    "extension": ("extension", "detail", "domain_name"),
    "trunk": ("domain_name", "detail"),
    "tag": ("detail",),
    "contact": ("display_name", "company", "source", "detail"),
}


def named(verb: str, d: Data, fields: tuple[str, ...]) -> list[str]:
    facts = dict.fromkeys(d.short(field) for field in fields)
    return [d.quoted("name"), commas(verb.replace("_", " "), *facts)]


def campaign(verb: str, d: Data) -> list[str]:
    level = d.text("service_level")
    end = d.short("end_handle")
    return [
        d.quoted("name"),
        commas(
            "deleted" if verb == "deleted" else "",
            d.short("status"),
            d.short("type"),
            d.short("detail"),
            level and f"service level {level}",
            end and f"on end {end}",
        ),
    ]


def campaigncall(verb: str, d: Data) -> list[str]:
    took = human(d.seconds("tm_create", "tm_update")) if verb == "updated" else ""
    tries = d.text("try_count")
    return [
        d.route(),
        commas(
            "record deleted" if verb == "deleted" else "",
            d.short("status"),
            d.short("result"),
            tries and f"try {tries}",
            took and f"took {took}",
        ),
    ]


def number(verb: str, d: Data) -> list[str]:
    flow = d.to("flow", "call_flow_id")
    renewed = d.short("tm_renew")[:10] if verb == "renewed" else ""
    return [
        d.short("number"),
        commas(
            verb,
            d.short("status"),
            d.short("type"),
            flow and f"calls run {flow}",
            renewed and f"on {renewed}",
        ),
        d.quoted("name"),
    ]


def agent(verb: str, d: Data) -> list[str]:
    status = d.short("status")
    state = f"is {status}" if verb == "status_updated" else commas(verb, status)
    return [
        commas(d.quoted("name"), d.short("username")),
        commas(state, d.short("ring_method"), d.short("detail")),
    ]


def ai(verb: str, d: Data) -> list[str]:
    voices = commas(d.short("tts_type"), d.short("stt_type"))
    return [d.quoted("name"), commas(verb, d.short("engine_model"), voices)]


def team(verb: str, d: Data) -> list[str]:
    members = d.items("members")
    names = commas(*(member.short("name") for member in members[:3]))
    size = count(d.count("members"), "member")
    return [d.quoted("name"), commas(verb, f"{size}: {names}" if names else size)]


def billing(verb: str, d: Data) -> list[str]:
    cost = d.text("cost_total") or d.text("cost")
    return [d.reference(), commas(verb, d.short("status"), cost and f"cost {cost}")]


def outplan(verb: str, d: Data) -> list[str]:
    rings = human(d.millis("dial_timeout"))
    pause = human(d.millis("try_interval"))
    how = commas(rings and f"rings {rings}", pause and f"again after {pause}")
    return [d.quoted("name"), commas(verb, d.short("detail"), how)]


def _naming(fields: tuple[str, ...]) -> Callable[[str, Data], list[str]]:
    return lambda verb, d: named(verb, d, fields)


MEANINGS: dict[str, Callable[[str, Data], list[str]]] = {
    "campaign": campaign,
    "campaigncall": campaigncall,
    "number": number,
    "agent": agent,
    "ai": ai,
    "team": team,
    "billing": billing,
    "outplan": outplan,
    **{resource: _naming(fields) for resource, fields in _NAMED.items()},
}
