"""Frames come back as they were sent, and no bytes at all upset the reader of them."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhook.core.http import Headers
from devhook.core.relay import (
    MAX_DATA,
    MAX_MESSAGE,
    MAX_WINDOW,
    Answer,
    Cancel,
    Data,
    Farewell,
    Fault,
    Frame,
    Goodbye,
    Hello,
    Open,
    Ping,
    Pong,
    ProtocolError,
    Welcome,
    Window,
)
from devhook.core.relay_codec import decode, encode

_NAMES = st.text("!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters, min_size=1)
_VISIBLE = [chr(n) for n in (*range(0x21, 0x7F), *range(0x80, 0x100))]
_TARGETS = st.text(st.sampled_from(_VISIBLE), min_size=1)
_VALUES = st.text(st.sampled_from(["\t", " ", *_VISIBLE]))
_HEADERS: st.SearchStrategy[Headers] = st.lists(
    st.tuples(_NAMES, _VALUES), max_size=12
).map(tuple)
_STREAMS = st.integers(1, 2**32 - 1)
_WINDOWS = st.integers(1, MAX_WINDOW)
_TEXTS = st.text(max_size=60).filter(lambda text: text.isprintable())
_SECRETS = st.text(string.printable, min_size=1, max_size=255)

FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.builds(
        Hello,
        lease=_SECRETS,
        instance=_SECRETS,
        agent=_TEXTS,
        versions=st.lists(st.integers(0, 255), min_size=1, max_size=255).map(tuple),
        takeover=st.booleans(),
        window=_WINDOWS,
        requests=st.integers(1, 2**32 - 1),
    ),
    st.builds(Welcome, public_url=_TEXTS, version=st.integers(0, 255), window=_WINDOWS),
    st.builds(Goodbye, st.sampled_from(Farewell), _TEXTS),
    st.builds(Ping, st.integers(0, 2**64 - 1)),
    st.builds(Pong, st.integers(0, 2**64 - 1)),
    st.builds(
        Open,
        stream=_STREAMS,
        method=_NAMES,
        target=_TARGETS,
        headers=_HEADERS,
        end=st.booleans(),
    ),
    st.builds(
        Answer,
        stream=_STREAMS,
        status=st.integers(200, 999),
        reason=_VALUES,
        headers=_HEADERS,
        end=st.booleans(),
    ),
    st.builds(Data, _STREAMS, st.binary(min_size=1, max_size=400), st.booleans()),
    st.builds(Data, _STREAMS, st.just(b""), st.just(True)),
    st.builds(Window, _STREAMS, _WINDOWS),
    st.builds(Cancel, _STREAMS, st.sampled_from(Fault), _TEXTS),
)


@given(st.lists(FRAMES, max_size=5))
def test_frames_joined_into_one_message_come_back_equal(frames: list[Frame]) -> None:
    """Reading what was written gives the same frames in the same order."""
    assert list(decode(b"".join(map(encode, frames)))) == frames


@given(st.binary(max_size=2000))
def test_bytes_of_any_kind_give_frames_or_a_protocol_error(message: bytes) -> None:
    """The reader raises nothing else, whatever it is given."""
    try:
        frames = list(decode(message))
    except ProtocolError:
        return
    assert b"".join(map(encode, frames)) or not frames


@given(FRAMES, st.data())
def test_a_damaged_frame_gives_frames_or_a_protocol_error(
    frame: Frame, data: st.DataObject
) -> None:
    """Bytes close to a frame raise nothing else either."""
    message = bytearray(encode(frame))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.integers(0, 255))
    try:
        list(decode(bytes(message)))
    except ProtocolError:
        return


@given(FRAMES, st.data())
def test_a_frame_cut_off_anywhere_is_an_error(
    frame: Frame, data: st.DataObject
) -> None:
    """A message holds whole frames: half of one is never taken for a frame."""
    whole = encode(frame)
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(ProtocolError):
        list(decode(cut))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Open(stream=1, method="GE T", target="/"), id="method"),
        pytest.param(lambda: Open(stream=1, method="GET", target="/ x"), id="target"),
        pytest.param(
            lambda: Open(stream=1, method="GET", target="/\r\nHost: evil"), id="line"
        ),
        pytest.param(
            lambda: Answer(stream=1, status=200, headers=(("X:", "1"),)), id="name"
        ),
        pytest.param(
            lambda: Answer(stream=1, status=200, headers=(("X", "1\r\nY: 2"),)),
            id="value",
        ),
        pytest.param(
            lambda: Answer(stream=1, status=200, headers=(("X", "\u20ac"),)), id="euro"
        ),
        pytest.param(
            lambda: Answer(stream=1, status=200, headers=(("X", "1"),) * 257),
            id="headers",
        ),
        pytest.param(
            lambda: Answer(stream=1, status=200, headers=(("X", "1" * 60_000),) * 5),
            id="size",
        ),
        pytest.param(lambda: Answer(stream=1, status=101), id="status"),
        pytest.param(lambda: Answer(stream=1, status=200, reason="a\nb"), id="reason"),
        pytest.param(lambda: Data(1, bytes(MAX_DATA + 1)), id="data"),
        pytest.param(lambda: Data(1, b""), id="empty data"),
        pytest.param(lambda: Window(1, 0), id="no credit"),
        pytest.param(lambda: Window(1, MAX_WINDOW + 1), id="credit"),
        pytest.param(lambda: Hello(lease="", instance="i"), id="lease"),
        pytest.param(lambda: Hello(lease="x" * 256, instance="i"), id="long lease"),
        pytest.param(
            lambda: Hello(lease="l", instance="i", versions=()), id="versions"
        ),
        pytest.param(lambda: Goodbye(Farewell.DONE, "x" * 1025), id="text"),
    ],
)
def test_a_frame_out_of_bounds_cannot_be_made(make: object) -> None:
    """What would harm an HTTP head or a memory never becomes a frame."""
    assert callable(make)
    with pytest.raises(ProtocolError):
        make()


def test_a_message_beyond_the_limit_is_not_read() -> None:
    """The size is looked at before the first frame is."""
    ping = encode(Ping(1))
    with pytest.raises(ProtocolError, match="too long"):
        next(decode(ping * (MAX_MESSAGE // len(ping) + 1)))


def test_unknown_frames_are_passed_over_from_0x80_on() -> None:
    """A newer end may send what an older one need not understand."""
    unknown = b"\x80\x00" + bytes(4) + b"\x00\x00\x00\x02hi"
    assert list(decode(unknown + encode(Ping(7)))) == [Ping(7)]


def test_unknown_frames_below_0x80_are_errors() -> None:
    """What must be understood is refused by an end that does not."""
    with pytest.raises(ProtocolError, match="0x20"):
        list(decode(b"\x20\x00" + bytes(8)))


def test_fields_added_to_a_growing_frame_are_passed_over() -> None:
    """GOODBYE of a newer end still says why, whatever follows."""
    frame = bytearray(encode(Goodbye(Farewell.STOPPING, "bye"))) + b"more"
    frame[9] += 4
    assert list(decode(bytes(frame))) == [Goodbye(Farewell.STOPPING, "bye")]


def test_fields_added_to_any_other_frame_are_an_error() -> None:
    """A WINDOW has one field, in every version 1."""
    frame = bytearray(encode(Window(1, 5))) + b"more"
    frame[9] += 4
    with pytest.raises(ProtocolError):
        list(decode(bytes(frame)))


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (Goodbye(Farewell.DONE, "x"), Goodbye(Farewell.OTHER, "x")),
        (Cancel(3, Fault.SENDER_GONE, "x"), Cancel(3, Fault.OTHER, "x")),
    ],
    ids=["farewell", "fault"],
)
def test_a_reason_not_known_here_reads_as_other(sent: Frame, read: Frame) -> None:
    """A newer end may have reasons of its own."""
    frame = bytearray(encode(sent))
    frame[10] = 200
    assert list(decode(bytes(frame))) == [read]


def test_the_lease_secret_stays_out_of_the_repr() -> None:
    """A frame may be logged; its secret may not."""
    assert "canary" not in repr(Hello(lease="canary", instance="i"))
