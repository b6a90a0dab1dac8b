"""Where events hold what must not leave the machine: by resource, by path.

From the public server's structs, August 2026. `*` is any item of a list; a path stands
for all below it. `SECRET` are credentials and capability links: nothing shows or keeps
them where another person reads. `PERSONAL` are numbers, addresses, names and words of
people.
"""

SECRET: dict[str, tuple[str, ...]] = {
    "accesskey": ("token",),
    "agent": ("direct_hash",),
    "ai": ("engine_key", "init_prompt", "parameter", "direct_hash"),
    "conference": ("direct_hash", "data"),
    "conversation_account": ("provider_data",),
    "customer": ("webhook_uri", "webhook_secret"),
    "extension": ("password",),
    "file": ("uri_download",),
    "team": ("parameter", "direct_hash"),
    "trunk": ("password",),
}

_PARTIES = ("source", "destination")

PERSONAL: dict[str, tuple[str, ...]] = {
    "activeflow": (
        "current_action.option",
        "executed_actions.*.option",
        "webhook_uri",
    ),
    "agent": ("username", "name", "detail", "addresses"),
    "aicall": ("parameter", "metadata"),
    "aimessage": ("content", "tool_calls.*.function.arguments"),
    "call": (*_PARTIES, "action.option", "metadata"),
    "campaign": ("name", "detail", "actions.*.option"),
    "campaigncall": _PARTIES,
    "chat": ("name", "detail"),
    "chatmessage": ("text", "medias", "metadata"),
    "conference": ("name", "detail"),
    "contact": ("display_name", "company"),
    "conversation": ("self", "peer", "name", "detail", "dialog_id"),
    "conversation_account": ("name", "detail"),
    "conversation_message": (*_PARTIES, "text", "medias"),
    "customer": ("name", "detail", "email", "phone_number", "address"),
    "email": ("source", "destinations", "subject", "content"),
    "groupcall": ("source", "destinations"),
    "message": ("source", "targets.*.destination", "text"),
    "number": ("number", "name", "detail"),
    "outdial": ("name", "detail", "data"),
    "speech": ("message",),
    "summary": ("content",),
    "transcript": ("message",),
    "webchat_message": ("text",),
    "webchat_session": ("page_url", "referrer", "peer"),
}


def sensitive_fields(resource: str) -> tuple[str, ...]:
    """Both kinds of one resource, below `data`."""
    return SECRET.get(resource, ()) + PERSONAL.get(resource, ())
