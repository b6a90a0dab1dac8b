"""The meanings of what people write to each other, and to machines."""

from collections import Counter

from devhook.core.meaning.calls import action
from devhook.core.meaning.data import Data
from devhook.core.meaning.words import after, commas, count, cut, human, masked, short


def message(verb: str, d: Data) -> list[str]:
    targets = d.items("targets")
    route = d.route_to_many([target.inner("destination") for target in targets])
    kind = f"{d.short('direction')} {d.short('type')}".strip()
    return [route, commas(kind, _deleted(verb), _statuses(targets)), d.quoted("text")]


def _statuses(targets: list[Data]) -> str:
    """`delivered`, or of several `2 delivered, 1 failed`."""
    statuses = Counter(target.short("status") for target in targets)
    if len(targets) == 1:
        return next(iter(statuses))
    return commas(*(f"{n} {status}" for status, n in statuses.most_common(4)))


def _deleted(verb: str) -> str:
    return "record deleted" if verb.endswith("deleted") else ""


def email(verb: str, d: Data) -> list[str]:
    attached = count(d.count("attachments"), "attachment")
    took = d.seconds("tm_create", "tm_update") if verb == "updated" else None
    state = after(d.short("status") or verb, took)
    return [
        d.route_to_many(d.items("destinations")),
        commas(_deleted(verb), state, attached),
        d.quoted("subject"),
    ]


def conversation(verb: str, d: Data) -> list[str]:
    here, there = d.inner("self").party(), d.inner("peer").party()
    owner = d.owner()
    return [
        f"{here or '?'} with {there}" if there else here,
        commas(_deleted(verb), d.short("type"), owner and f"owned by {owner}"),
        d.quoted("name"),
    ]


def conversation_message(verb: str, d: Data) -> list[str]:
    kind = f"{d.short('direction')} {d.short('reference_type')}".strip()
    medias = count(d.count("medias"), "attachment")
    state = commas(kind, _deleted(verb), d.short("status"), medias)
    return [d.route(), state, d.quoted("text")]


def account(verb: str, d: Data) -> list[str]:
    return [
        f"{d.short('type')} {d.quoted('name')}".strip(),
        commas(verb, d.short("detail"), d.to("flow", "message_flow_id")),
    ]


def activeflow(verb: str, d: Data) -> list[str]:
    done = count(d.count("executed_actions"), "action")
    over = d.short("status") == "ended"
    took = human(d.seconds("tm_create", "tm_update")) if verb == "updated" else ""
    return [
        d.reference(),
        commas(
            _deleted(verb),
            d.short("status"),
            d.to("flow", "flow_id") if verb == "created" else "",
            "" if over else action(d.inner("current_action")),
            done and f"{done} done",
            f"took {took}" if over and took else "",
        ),
    ]


def aicall(verb: str, d: Data) -> list[str]:
    lasted = human(d.seconds("tm_create", "tm_end"))
    voices = "/".join(filter(None, (d.short("ai_tts_type"), d.short("ai_stt_type"))))
    return [
        commas(
            d.short("ai_engine_model") or d.to("ai", "assistance_id"), d.reference()
        ),
        commas(
            d.short("status") or verb.removeprefix("status_"),
            voices,
            d.short("stt_language"),
            lasted and f"lasted {lasted}",
        ),
    ]


def aimessage(_: str, d: Data) -> list[str]:
    part = d.text("sequence")
    who = f"{d.short('role') or 'somebody'}{' #' + cut(part, 8) if part else ''}"
    tools = [call.inner("function").short("name") for call in d.items("tool_calls")]
    content = d.quoted("content")
    called = f"calls {commas(*tools[:3])}" if any(tools) else ""
    return [f"{who}: {content or called or 'nothing'}", commas(d.short("direction"))]


def summary(verb: str, d: Data) -> list[str]:
    state = commas(_deleted(verb), d.short("status"), d.short("language"))
    return [d.reference(), state, d.quoted("content")]


def chat(verb: str, d: Data) -> list[str]:
    members = count(int(d.number("member_count") or 0), "member")
    return [
        f"{d.short('type')} chat {d.quoted('name')}".strip(),
        commas(verb, d.short("detail"), members),
    ]


def chatmessage(verb: str, d: Data) -> list[str]:
    reactions = d.inner("metadata").items("reactions")
    emojis = " ".join(each.short("emoji") for each in reactions[:5])
    return [
        f"{d.owner() or 'somebody'}: {d.quoted('text') or 'nothing'}",
        commas(
            "deleted" if verb == "deleted" else "",
            d.to("chat", "chat_id"),
            count(d.count("medias"), "attachment"),
            emojis and f"reactions {emojis}",
        ),
    ]


def chatparticipant(verb: str, d: Data) -> list[str]:
    did = {"added": "joined", "removed": "left"}.get(verb, verb)
    chat_id = d.to("chat", "chat_id")
    return [d.owner(), f"{did} {chat_id}".strip()]


def webchat_message(_: str, d: Data) -> list[str]:
    sender = d.to("sender", "sender_id")
    who = d.short("direction") or "somebody"
    said = f"{who}: {d.quoted('text') or 'nothing'}"
    return [said, commas(d.short("status"), sender, d.to("session", "session_id"))]


def webchat_session(_: str, d: Data) -> list[str]:
    lasted = human(d.seconds("tm_create", "tm_end"))
    page = cut(masked(d.text("page_url")))
    visitor = short(d.inner("peer").text("target"))
    return [
        f"visitor {visitor}" if visitor else "",
        commas(d.short("status"), lasted and f"lasted {lasted}", page and f"on {page}"),
    ]


MEANINGS = {
    "message": message,
    "email": email,
    "conversation": conversation,
    "conversation_message": conversation_message,
    "conversation_account": account,
    "activeflow": activeflow,
    "aicall": aicall,
    "aimessage": aimessage,
    "summary": summary,
    "chat": chat,
    "chatmessage": chatmessage,
    "chatparticipant": chatparticipant,
    "webchat_message": webchat_message,
    "webchat_session": webchat_session,
}
