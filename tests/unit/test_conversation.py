"""A client's state against a model: every window sent is answered, refused or told lost, once; no credit is lost."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.contract import Chunk, ModelSpec, RenderSettings, Window
from bridge.conversation import (
    DEAD_SECONDS,
    LONGEST_SHUN_SECONDS,
    Arrived,
    Lost,
    Ready,
    Refused,
    Seeking,
    Shunned,
    State,
    Welcomed,
    hear,
    sent,
    tick,
)
from bridge.protocol import PROTOCOL_VERSION, Pong, Refuse, ServerMessage, Warming, Welcome

SPEC = ModelSpec(model="tint", width=64, height=48, length=13, overlap=5)
CREDITS = 3
WELCOME = Welcome(version=PROTOCOL_VERSION, server="x", spec=SPEC, credits=CREDITS)


def window(n: int) -> Window:
    return Window(sequence=n, segment=0, start=8 * n, valid=13, continues=n > 0, length=13, width=64, height=48,
                  settings=RenderSettings())


def chunk(n: int, **other: object) -> Chunk:
    facts = {"sequence": n, "segment": 0, "start": 8 * n, "valid": 13, "width": 64, "height": 48, "stage_ms": {},
             "period_ms": 1.0}
    return Chunk(**{**facts, **other})


@dataclass
class Client:
    """The state, driven as `BridgeClient` does, and what a model expects of it."""

    state: State = field(default_factory=lambda: Seeking(0.0, 0.0))
    now: float = 0.0
    sent: int = 0
    ended: int = 0
    seen: set[int] = field(default_factory=set)

    def send(self) -> None:
        if isinstance(self.state, Welcomed) and len(self.state.in_flight) < self.state.credits:
            self.state = sent(self.state, window(self.sent))
            self.sent += 1

    def hear(self, message: ServerMessage) -> object:
        self.state, event = hear(self.state, message, [], self.now)
        return self.note(event)

    def wait(self, seconds: float) -> object:
        self.now += seconds
        self.state, _, event = tick(self.state, self.now, "there")
        return self.note(event)

    def note(self, event: object) -> object:
        match event:
            case Arrived(got, _):
                assert got.sequence not in self.seen and got.sequence < self.sent
                self.seen.add(got.sequence)
                self.ended += 1
            case Refused(reason) if reason.sequence is not None:
                self.ended += 1
            case Lost(in_flight, detail):
                self.ended += in_flight
                assert detail
            case _:
                pass
        in_flight = len(self.state.in_flight) if isinstance(self.state, Welcomed) else 0
        assert self.sent == self.ended + in_flight, "a window is nowhere, or twice"
        assert in_flight <= CREDITS
        return event

    def until_ready(self) -> None:
        """A good server, from now on: the client finds back to all of its credits."""
        for _ in range(200):
            if not isinstance(self.state, Welcomed) and isinstance(self.hear(WELCOME), Ready):
                break
            self.wait(LONGEST_SHUN_SECONDS / 4)
        assert isinstance(self.state, Welcomed) and not self.state.in_flight


NEAR = st.integers(0, 12)
OPS = st.lists(st.one_of(
    st.tuples(st.just("send"), NEAR),
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.3, 1.0, DEAD_SECONDS + 0.1, 10.0])),
    st.tuples(st.just("hear"), st.one_of(
        st.just(WELCOME), st.just(Warming(detail="loading")), NEAR.map(chunk), NEAR.map(lambda n: chunk(n, start=1)),
        st.builds(Pong, t_ns=NEAR, known=st.booleans(), queued=NEAR, rendering_ms=st.just(1.0)),
        st.builds(Refuse, code=st.sampled_from(["busy", "shape", "order", "malformed", "failed", "version"]),
                  detail=st.just("no"), sequence=st.one_of(st.none(), NEAR))))), max_size=60)


@given(OPS)
@settings(max_examples=400, deadline=None)
def test_no_order_of_events_loses_a_window_or_a_credit(ops):
    client = Client()
    for what, value in ops:
        if what == "send":
            client.send()
        elif what == "wait":
            client.wait(value)
        else:
            client.hear(value)
    if isinstance(client.state, Welcomed):
        client.wait(DEAD_SECONDS + 0.1)
    client.until_ready()


def ready(windows: int = 2) -> Client:
    client = Client()
    client.hear(WELCOME)
    for _ in range(windows):
        client.send()
    return client


def test_a_forgotten_client_has_all_its_credits_again():
    """Both refusals come, the second after the new Welcome: neither may cost a credit, or the welcome."""
    client = ready()
    first = Refuse(code="order", detail="say Hello before sending windows", sequence=0)
    assert client.hear(first) == Lost(2, "the server has forgotten this client")
    client.hear(WELCOME)
    client.send()
    assert client.hear(msgspec.structs.replace(first, sequence=1)) is None
    assert isinstance(client.state, Welcomed) and len(client.state.in_flight) == 1


@pytest.mark.parametrize("wrong", [{"start": 16}, {"segment": 1}, {"valid": 12}, {"width": 32}, {"height": 24}])
def test_a_chunk_that_is_not_its_windows_ends_the_acquaintance(wrong):
    client = ready()
    assert isinstance(client.hear(chunk(0, **wrong)), Lost) and isinstance(client.state, Shunned)
    assert client.hear(chunk(0)) is None, "nothing more is heard from it"


def test_chunks_come_in_order_once_and_for_windows_that_were_sent():
    client = ready(3)
    assert client.hear(chunk(7)) is None
    assert isinstance(client.hear(chunk(0)), Arrived)
    assert client.hear(chunk(0)) is None
    assert isinstance(client.hear(chunk(2)), Lost), "before 1"


def test_a_refusal_may_overtake_a_chunk():
    """Window 1 failed to render while 0 was still being decoded."""
    client = ready()
    assert isinstance(client.hear(Refuse(code="failed", detail="no", sequence=1)), Refused)
    assert isinstance(client.hear(chunk(0)), Arrived)


def test_a_bad_server_is_left_alone_longer_and_longer_and_one_good_window_mends_that():
    client, pauses = Client(), []
    for _ in range(7):
        client.until_ready()
        client.send()
        client.hear(chunk(client.sent - 1, valid=1))
        assert isinstance(client.state, Shunned)
        pauses.append(client.state.until - client.now)
    assert pauses == [0.5, 1, 2, 4, 8, 8, 8]
    client.until_ready()
    client.send()
    client.hear(chunk(client.sent - 1))
    client.hear(Refuse(code="version", detail="another version"))
    assert isinstance(client.state, Shunned) and client.state.until - client.now == 0.5


def test_a_server_that_changes_its_version_again_and_again_is_followed():
    client = Client()
    for speaks in itertools.islice(itertools.cycle([True, False]), 10):
        client.until_ready()
        event = client.hear(Refuse(code="version", detail="another version")) if speaks else client.hear(chunk(0))
        assert isinstance(event, Lost) is speaks
