"""Both ends of a link joined without a socket: what one sends, the other is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from devhook.core.relay import (
    MAX_DATA,
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
    Window,
)
from devhook.core.relay_codec import decode, encode
from devhook.core.relay_link import HIGH_BACKLOG, Link

WINDOW = 1000


def relay_end(*, window: int = WINDOW, credit: int = WINDOW, requests: int = 8) -> Link:
    return Link(opens=True, window=window, credit=credit, requests=requests, at=0)


def client_end(
    *, window: int = WINDOW, credit: int = WINDOW, requests: int = 8
) -> Link:
    return Link(opens=False, window=window, credit=credit, requests=requests, at=0)


def passed(sender: Link, receiver: Link) -> list[Frame]:
    """Everything the sender has to say, as the receiver tells it."""
    told: list[Frame] = []
    while message := sender.take():
        told += receiver.receive(message, at=0)
    return told


def opened(relay: Link, client: Link, *, end: bool = False) -> int:
    stream = relay.open("POST", "/t/x", (("Host", "h"),), end=end)
    passed(relay, client)
    return stream


def test_a_request_and_its_answer_pass_in_order() -> None:
    """OPEN, DATA, END one way; ANSWER, DATA, END the other; both forget it."""
    relay, client = relay_end(), client_end()
    stream = relay.open("POST", "/t/x?1", (("A", "1"), ("a", "2")))
    relay.data(stream, b"body")
    relay.data(stream, b"", end=True)
    assert passed(relay, client) == [
        Open(
            stream=1, method="POST", target="/t/x?1", headers=(("A", "1"), ("a", "2"))
        ),
        Data(1, b"body"),
        Data(1, b"", end=True),
    ]
    client.answer(stream, 201, "Made", (("B", "3"),))
    client.data(stream, b"ok", end=True)
    assert passed(client, relay) == [
        Answer(stream=1, status=201, reason="Made", headers=(("B", "3"),)),
        Data(1, b"ok", end=True),
    ]
    assert relay.open_streams() == client.open_streams() == ()


def test_streams_of_the_relay_are_odd_and_rise() -> None:
    """No id is used twice on a connection."""
    relay, client = relay_end(), client_end()
    first = opened(relay, client, end=True)
    client.answer(first, 204, "", (), end=True)
    passed(client, relay)
    assert (first, opened(relay, client)) == (1, 3)


def test_the_window_is_all_that_may_be_sent_unasked() -> None:
    """Room shrinks with every piece and comes back as the other end consumes."""
    relay, client = relay_end(), client_end()
    stream = opened(relay, client)
    relay.data(stream, b"x" * WINDOW)
    assert relay.room(stream) == 0
    passed(relay, client)
    client.consume(stream, WINDOW // 2 - 1)
    assert client.take() == b""
    client.consume(stream, 1)
    assert passed(client, relay) == [Window(stream, WINDOW // 2)]
    assert relay.room(stream) == WINDOW // 2


def test_sending_beyond_the_window_is_our_own_error() -> None:
    """The caller that did not ask for room is told before anything is sent."""
    relay, client = relay_end(credit=3), client_end()
    stream = opened(relay, client)
    with pytest.raises(ProtocolError):
        relay.data(stream, b"four")
    assert relay.take() == b""


def test_data_beyond_the_window_ends_the_connection() -> None:
    """An end that ignores the window costs no memory."""
    relay, client = relay_end(credit=5000), client_end(window=WINDOW)
    stream = opened(relay, client)
    relay.data(stream, b"x" * (WINDOW + 1))
    with pytest.raises(ProtocolError, match="window"):
        passed(relay, client)


def test_room_is_never_more_than_one_piece() -> None:
    """A frame of DATA has a greatest size, whatever the window."""
    relay, client = relay_end(credit=MAX_DATA * 4), client_end(window=MAX_DATA * 4)
    assert relay.room(opened(relay, client)) == MAX_DATA


def test_nobody_has_room_while_the_backlog_is_high() -> None:
    """A connection slower than its streams holds them all back."""
    big = HIGH_BACKLOG * 2
    relay, client = relay_end(credit=big), client_end(window=big)
    stream = opened(relay, client)
    while room := relay.room(stream):
        relay.data(stream, bytes(room))
    assert HIGH_BACKLOG <= relay.backlog < HIGH_BACKLOG + 2 * MAX_DATA
    relay.take()
    assert relay.room(stream) == MAX_DATA


def test_what_arrives_after_a_cancel_was_under_way_and_is_passed_over() -> None:
    """Both ends may cancel while the other still sends."""
    relay, client = relay_end(), client_end()
    stream = opened(relay, client)
    relay.cancel(stream, Fault.SENDER_GONE)
    client.answer(stream, 200, "OK", ())
    client.data(stream, b"late")
    assert passed(client, relay) == []
    assert passed(relay, client) == [Cancel(stream, Fault.SENDER_GONE)]
    client.data(stream, b"later")
    assert client.take() == b""


def test_an_answer_may_end_before_the_request_does() -> None:
    """A server may refuse a body it has not read: the rest of it goes nowhere."""
    relay, client = relay_end(), client_end()
    stream = opened(relay, client)
    client.answer(stream, 413, "", (), end=True)
    relay.data(stream, b"more")
    passed(client, relay)
    assert passed(relay, client) == []
    assert not relay.is_open(stream)
    assert relay.room(stream) == 0


def test_a_link_is_full_at_what_the_client_said() -> None:
    """The relay can see before it opens one stream too many."""
    relay, client = relay_end(requests=2), client_end(requests=2)
    opened(relay, client)
    assert not relay.is_full()
    opened(relay, client)
    assert relay.is_full()


@pytest.mark.parametrize(
    ("end", "frame"),
    [
        ("client", Hello(lease="l", instance="i")),
        ("client", Open(stream=2, method="GET", target="/")),
        ("client", Open(stream=1, method="GET", target="/")),
        ("client", Answer(stream=1, status=200)),
        ("client", Data(3, b"x")),
        ("relay", Open(stream=3, method="GET", target="/")),
        ("relay", Data(1, b"before its answer")),
        ("relay", Window(2, 1)),
    ],
    ids=[
        "greeting again",
        "even stream",
        "stream opened twice",
        "answer from the relay",
        "stream never opened",
        "client opens",
        "data before answer",
        "even window",
    ],
)
def test_a_frame_out_of_turn_ends_the_connection(end: str, frame: Frame) -> None:
    """Each end holds the other to the rules."""
    relay, client = relay_end(), client_end()
    opened(relay, client)
    with pytest.raises(ProtocolError):
        (relay if end == "relay" else client).receive(encode(frame), at=0)


def test_data_after_the_end_of_a_body_ends_the_connection() -> None:
    """An END is the last piece."""
    relay, client = relay_end(), client_end()
    stream = opened(relay, client, end=True)
    with pytest.raises(ProtocolError, match="out of turn"):
        client.receive(encode(Data(stream, b"x")), at=0)


def test_credit_beyond_all_bounds_ends_the_connection() -> None:
    """A window cannot be talked open for ever."""
    relay, client = relay_end(), client_end()
    stream = opened(relay, client)
    grant = encode(Window(stream, 16 * 1024 * 1024)) * 3
    with pytest.raises(ProtocolError, match="credit"):
        relay.receive(grant, at=0)


def test_a_ping_is_answered_at_once_and_told_to_nobody() -> None:
    """Signs of life are between the links."""
    relay, client = relay_end(), client_end()
    assert client.receive(encode(Ping(9)), at=0) == []
    assert list(decode(client.take())) == [Pong(9)]
    assert relay.receive(encode(Pong(9)), at=0) == []


def test_pings_of_an_end_that_reads_nothing_cost_no_memory() -> None:
    """Pongs stop at the high backlog."""
    client = client_end()
    pings = encode(Ping(1)) * 10_000
    for _ in range(20):
        client.receive(pings, at=0)
    assert client.backlog <= HIGH_BACKLOG + 100


def test_a_quiet_link_asks_and_then_gives_up() -> None:
    """Nothing heard: a ping after 3 s, again after 6, dead after 9."""
    link = relay_end()
    seen = [(at, link.is_alive(at=at), link.take() != b"") for at in range(10)]
    assert seen == [(at, at < 9, at in (3, 6, 9)) for at in range(10)]


def test_any_frame_is_a_sign_of_life() -> None:
    """A busy link is never asked."""
    link = relay_end()
    for at in range(0, 30, 2):
        link.receive(encode(Pong(1)), at=at)
        assert link.is_alive(at=at + 1)
    assert link.take() == b""


def test_a_goodbye_is_told() -> None:
    """The caller closes the socket."""
    relay, client = relay_end(), client_end()
    relay.goodbye(Farewell.STOPPING, "soon back")
    assert passed(relay, client) == [Goodbye(Farewell.STOPPING, "soon back")]


@given(st.lists(st.binary(max_size=300)))
def test_no_message_upsets_a_link(messages: list[bytes]) -> None:
    """Whatever comes is told, passed over, or a ProtocolError."""
    for link in (relay_end(), client_end()):
        try:
            for message in messages:
                link.receive(message, at=0)
        except ProtocolError:
            continue


class TwoEnds(RuleBasedStateMachine):
    """Any order of sending, delivering, consuming and cancelling keeps the promises.

    Bytes arrive whole and in order, no end is ever told to break a rule, and neither
    holds more than the window of any stream.
    """

    def __init__(self) -> None:
        super().__init__()
        self.relay, self.client = relay_end(), client_end()
        self.sent: dict[tuple[str, int], bytes] = {}
        self.held: dict[tuple[str, int], bytes] = {}
        self.got: dict[tuple[str, int], bytes] = {}
        self.answered: set[int] = set()
        self.ended: set[tuple[str, int]] = set()

    @rule(end=st.booleans())
    def open(self, end: bool) -> None:
        if not self.relay.is_full():
            stream = self.relay.open("POST", "/", (), end=end)
            if end:
                self.ended.add(("relay", stream))

    @rule(data=st.data(), size=st.integers(1, 700), end=st.booleans())
    def send(self, data: st.DataObject, size: int, end: bool) -> None:
        side = data.draw(st.sampled_from(("relay", "client")))
        link = self.relay if side == "relay" else self.client
        stream = self.drawn(data, link)
        if stream is None or (side, stream) in self.ended:
            return
        if side == "client" and stream not in self.answered:
            self.client.answer(stream, 200, "", ())
            self.answered.add(stream)
        body = bytes([stream % 256]) * min(size, link.room(stream))
        if body or end:
            link.data(stream, body, end=end)
            self.sent[side, stream] = self.sent.get((side, stream), b"") + body
            if end:
                self.ended.add((side, stream))

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        ends = [("relay", self.relay, self.client), ("client", self.client, self.relay)]
        side, sender, receiver = data.draw(st.sampled_from(ends))
        for frame in passed(sender, receiver):
            if isinstance(frame, Data):
                key = (side, frame.stream)
                self.held[key] = self.held.get(key, b"") + frame.body

    @rule(data=st.data(), size=st.integers(1, 900))
    def consume(self, data: st.DataObject, size: int) -> None:
        keys = [key for key, held in self.held.items() if held]
        if keys:
            side, stream = key = data.draw(st.sampled_from(keys))
            piece, self.held[key] = self.held[key][:size], self.held[key][size:]
            self.got[key] = self.got.get(key, b"") + piece
            reader = self.client if side == "relay" else self.relay
            reader.consume(stream, len(piece))

    @rule(data=st.data())
    @precondition(lambda self: bool(self.relay.open_streams()))
    def cancel(self, data: st.DataObject) -> None:
        link = data.draw(st.sampled_from((self.relay, self.client)))
        stream = self.drawn(data, link)
        if stream is not None:
            link.cancel(stream, Fault.OTHER)

    def drawn(self, data: st.DataObject, link: Link) -> int | None:
        streams = link.open_streams()
        return data.draw(st.sampled_from(streams)) if streams else None

    @invariant()
    def holds_no_more_than_a_window(self) -> None:
        assert all(len(held) <= WINDOW for held in self.held.values())

    @invariant()
    def bytes_are_a_beginning_of_what_was_sent(self) -> None:
        for key, sent in self.sent.items():
            assert sent.startswith(self.got.get(key, b"") + self.held.get(key, b""))


TestTwoEnds = TwoEnds.TestCase
