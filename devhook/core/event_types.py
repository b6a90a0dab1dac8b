"""The event types the platform knows: what each tells, and whether customers get it.

Derived from every publish call of the public server, August 2026. The resource is the
kind of thing in `data`, usually but not always the first word of the type.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """`delivered` is False for names that documents or constants know but that never
    reach a customer; `description` then says why."""

    type: str
    resource: str
    description: str
    delivered: bool


_DELIVERED: dict[str, dict[str, str]] = {
    "call": {
        "call_created": "A call leg, incoming or outgoing, was registered",
        "call_dialing": "Outgoing leg is being dialled",
        "call_ringing": "Far end is ringing",
        "call_progressing": "Call was answered and media flows",
        "call_updated": "The call changed: action, bridge, recording, mute",
        "call_terminating": "Call is being torn down by the platform",
        "call_canceling": "Originator cancels before answer",
        "call_hangup": "Call ended; hangup_by and hangup_reason are set",
        "call_deleted": "The stored call record was deleted through the API",
    },
    "groupcall": {
        "groupcall_created": "A call to several destinations was started",
        "groupcall_progressing": "A member of the group call answered, or it advanced",
        "groupcall_hangup": "The whole group call ended",
        "groupcall_deleted": "The stored group call record was deleted",
    },
    "recording": {
        "recording_started": "Recording of a call or a conference bridge began",
        "recording_finished": "Recording ended; its file is at recordingfiles",
    },
    "transcribe": {
        "transcribe_created": "A transcription session was created",
        "transcribe_progressing": "The transcription session is running",
        "transcribe_done": "The transcription session finished",
    },
    "speech": {
        "transcribe_speech_started": "A speaker started to talk (voice activity)",
        "transcribe_speech_interim": "Text of the running utterance; very chatty",
        "transcribe_speech_ended": "Utterance finished, final text",
    },
    "transcript": {
        "transcript_created": "One finished segment of speech, its text and direction",
    },
    "message": {
        "message_created": "An SMS was sent or received",
        "message_updated": "Delivery status of an SMS changed",
        "message_deleted": "The SMS record was deleted",
    },
    "email": {
        "email_created": "An email was queued for sending",
        "email_updated": "Delivery state of an email changed: delivered, open, bounce",
        "email_deleted": "The email record was deleted",
    },
    "conversation": {
        "conversation_created": "A conversation thread with one peer was opened",
        "conversation_updated": "Conversation metadata or owner changed",
    },
    "conversation_message": {
        "conversation_message_created": "A message was added to a conversation",
        "conversation_message_updated": "Status of a conversation message changed",
        "conversation_message_deleted": "A conversation message was deleted",
    },
    "conversation_account": {
        "account_created": "A messaging account (line, whatsapp) was added",
        "account_updated": "A messaging account changed",
        "account_deleted": "A messaging account was removed",
    },
    "conference": {
        "conference_created": "A conference room was created",
        "conference_updated": "Conference changed: participants, recording, status",
        "conference_deleted": "Conference was terminated or deleted",
    },
    "queuecall": {
        "queuecall_created": "A call joined a queue",
        "queuecall_waiting": "The queued call is waiting for an agent",
        "queuecall_connecting": "An agent is being connected",
        "queuecall_serviced": "The agent picked up",
        "queuecall_done": "Service finished",
        "queuecall_abandoned": "Caller left or timed out before service",
        "queuecall_deleted": "The queue call record was deleted",
    },
    "campaign": {
        "campaign_created": "A campaign was defined",
        "campaign_updated": "Campaign settings changed",
        "campaign_deleted": "Campaign was deleted",
        "campaign_status_run": "Campaign was started",
        "campaign_status_stopping": "Campaign is draining before stop",
        "campaign_status_stop": "Campaign stopped",
    },
    "campaigncall": {
        "campaigncall_created": "One campaign attempt toward one target was started",
        "campaigncall_updated": "Status or result of a campaign attempt changed",
        "campaigncall_deleted": "Campaign attempt record was deleted",
    },
    "outdial": {
        "outdial_created": "A dial list was created",
        "outdial_updated": "A dial list changed",
        "outdial_deleted": "A dial list was deleted",
    },
    "number": {
        "number_created": "A phone number was bought or created",
        "number_updated": "Number settings changed",
        "number_deleted": "Number was released",
    },
    "agent": {
        "agent_created": "An agent (user) was created",
        "agent_updated": "Agent profile changed (some changes are never announced)",
        "agent_deleted": "Agent was deleted",
        "agent_status_updated": "Agent became available, away, busy, offline",
    },
    "activeflow": {
        "activeflow_created": "A flow execution started",
        "activeflow_updated": "The flow execution moved to another action or status",
        "activeflow_deleted": "The flow execution record was deleted",
    },
    "aicall": {
        "aicall_status_initializing": "An AI session is being set up",
        "aicall_status_progressing": "The AI session is active",
        "aicall_status_pausing": "The AI session is being paused",
        "aicall_status_resuming": "The AI session is being resumed",
        "aicall_status_terminating": "The AI session is shutting down",
        "aicall_status_terminated": "The AI session ended",
    },
    "aimessage": {
        "aimessage_created": "A finished message in an AI session",
        "aimessage_intermediate": "A piece of an AI's message; very chatty",
    },
    "summary": {
        "summary_created": "An AI summary job was started",
        "summary_updated": "The AI summary text is ready or changed",
        "summary_deleted": "The AI summary was deleted",
    },
    "ai": {
        "ai_created": "An AI configuration was created",
        "ai_updated": "An AI configuration changed",
        "ai_deleted": "An AI configuration was deleted",
    },
    "team": {
        "team_created": "An AI team was created",
        "team_updated": "An AI team changed",
        "team_deleted": "An AI team was deleted",
    },
    "chat": {
        "chat_created": "An agent chat room was created",
        "chat_updated": "Chat room changed",
        "chat_deleted": "Chat room was deleted",
    },
    "chatmessage": {
        "chatmessage_created": "A chat message was posted",
        "chatmessage_deleted": "A chat message was deleted",
        "chatmessage_reaction_updated": "Reactions of a chat message changed",
    },
    "chatparticipant": {
        "chatparticipant_added": "A participant joined a chat",
        "chatparticipant_removed": "A participant left a chat",
    },
    "webchat_message": {
        "webchat_message_created": "A website chat message was stored",
    },
    "webchat_session": {
        "webchat_session_ended": "A website chat session ended",
    },
}

_NOT_DELIVERED: dict[str, tuple[str, str]] = {  # resource: the rest of its types, why
    "queue": (
        "created updated deleted",
        "Documented, but never sent: internal bus only, and created not even there",
    ),
    "conferencecall": (
        "joining joined leaving leaved",
        "Documented, but never sent: internal bus only",
    ),
    "confbridge": (
        "created deleted terminating terminated joined leaved",
        "Documented, but never sent: internal bus only",
    ),
    "dtmf": ("received", "Internal bus only"),
    "customer": (
        "created updated deleted frozen recovered identity_verification_updated",
        "Internal bus only: a change of webhook_uri is not announced",
    ),
    "accesskey": ("created updated deleted", "Internal bus only"),
    "flow": (
        "created updated deleted",
        "Internal bus only; visible through the timelines API",
    ),
    "billing": ("created updated deleted", "Internal bus only"),
    "file": ("created updated deleted", "Internal bus only"),
    "extension": ("created updated deleted", "Internal bus only"),
    "trunk": ("created updated deleted", "Internal bus only"),
    "tag": ("created updated deleted", "Internal bus only"),
    "contact": ("created updated deleted", "Internal bus only"),
    "speaking": ("started stopped", "Internal bus only"),
    "number": ("renewed", "Internal bus only"),
    "transcribe": ("deleted", "Documented, but never sent: internal bus only"),
    "transcript": (
        "deleted",
        "Never published: a deletion publishes transcript_created internally",
    ),
    "recording": (
        "created updated deleted",
        "Documented, but there is no such event: recording_started and _finished are",
    ),
    "conversation": ("deleted", "Never published"),
    "call": (
        "answered",
        "In timeline documents only; the real name is call_progressing",
    ),
    "outplan": ("created updated deleted", "Never published"),
}

EVENT_TYPES: dict[str, EventType] = {
    name: EventType(type=name, resource=resource, description=text, delivered=True)
    for resource, types in _DELIVERED.items()
    for name, text in types.items()
} | {
    name: EventType(type=name, resource=resource, description=why, delivered=False)
    for resource, (rests, why) in _NOT_DELIVERED.items()
    for name in (f"{resource}_{rest}" for rest in rests.split())
}


def resource_of(event_type: str) -> str:
    """The resource of a known type; else the text before the first underscore."""
    known = EVENT_TYPES.get(event_type)
    return known.resource if known else event_type.partition("_")[0]
