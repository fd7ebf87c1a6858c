"""What a client knows of its server: one of three states, and pure steps between them.

    Seeking --Welcome--> Welcomed --silence, "order"--> Seeking
       ^                    |
       |                 nonsense, another version
       +----a while later---+--> Shunned

A server that speaks nonsense, or another version, is left alone for a while: twice as long each time, until a window
comes back from it. Whenever `Welcomed` is left, all windows in flight are given up at once, so no credit can be lost:
what still comes for them belongs to no window in flight, and is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from bridge.contract import Chunk, ModelSpec, Pixels, Window
from bridge.protocol import PROTOCOL_VERSION, Hello, Ping, Pong, Refuse, ServerMessage, Warming, Welcome

HELLO_SECONDS, PING_SECONDS, DEAD_SECONDS = 0.3, 0.5, 1.5
SHUN_SECONDS, LONGEST_SHUN_SECONDS = 0.5, 8.0
"""How long a bad server is left alone at first, and at most."""


@dataclass(frozen=True)
class Waiting:
    """Not welcomed yet; `detail` says what the server last said, or that nobody answers."""

    detail: str


@dataclass(frozen=True)
class Ready:
    """Welcomed."""

    spec: ModelSpec
    credits: int


@dataclass(frozen=True)
class Refused:
    """The server did not take a window, or has no place for this client."""

    reason: Refuse


@dataclass(frozen=True)
class Lost:
    """The server fell silent, forgot this client or spoke nonsense; `in_flight` windows will not come back."""

    in_flight: int
    detail: str


@dataclass(frozen=True)
class Arrived:
    """A rendered window: its real frames."""

    chunk: Chunk
    frames: list[Pixels]


Event = Waiting | Ready | Refused | Lost | Arrived


@dataclass(frozen=True)
class Seeking:
    """Says Hello until it is welcomed. `heard` is when the server last spoke, `hello` when Hello is due."""

    heard: float
    hello: float
    shuns: int = 0


@dataclass(frozen=True)
class Welcomed:
    """May send windows: `in_flight` are those not answered yet, in order. The server works since `busy_seconds`."""

    spec: ModelSpec
    credits: int
    heard: float
    ping: float
    in_flight: tuple[Window, ...] = ()
    busy_seconds: float = 0.0
    queued: int = 0
    shuns: int = 0


@dataclass(frozen=True)
class Shunned:
    """Has nothing to do with the server until `until`."""

    until: float
    shuns: int


State = Seeking | Welcomed | Shunned


def tick(state: State, now: float, address: str) -> tuple[State, type[Hello | Ping] | None, Event | None]:
    """What time alone brings: the next state, what to say, and what to tell."""
    match state:
        case Shunned():
            return (state if now < state.until else Seeking(now, now, state.shuns)), None, None
        case Seeking():
            if now < state.hello:
                return state, None, None
            silent = now - state.heard > DEAD_SECONDS
            return (replace(state, hello=now + HELLO_SECONDS), Hello,
                    Waiting(f"no server answers at {address}") if silent else None)
        case Welcomed():
            if now - state.heard > DEAD_SECONDS:
                lost = Lost(len(state.in_flight), "the server is gone; waiting for it to come back")
                return Seeking(state.heard, now, state.shuns), None, lost
            if now < state.ping:
                return state, None, None
            return replace(state, ping=now + PING_SECONDS), Ping, None
        case _:
            assert_never(state)


def sent(state: Welcomed, window: Window) -> Welcomed:
    """After a window was sent."""
    return replace(state, in_flight=(*state.in_flight, window))


def listening(state: State, now: float) -> State:
    """After a time in which nobody listened: the silence is not the server's."""
    return state if isinstance(state, Shunned) else replace(state, heard=now)


def shun(state: State, now: float, why: str) -> tuple[State, Event | None]:
    """Leaves a server that cannot be talked to."""
    if isinstance(state, Shunned):
        return state, None
    pause = min(SHUN_SECONDS * 2 ** state.shuns, LONGEST_SHUN_SECONDS)
    lost = len(state.in_flight) if isinstance(state, Welcomed) else 0
    return Shunned(now + pause, min(state.shuns + 1, 8)), Lost(lost, f"{why}; trying again in {pause:g} s")


def hear(state: State, message: ServerMessage, frames: list[Pixels], now: float) -> tuple[State, Event | None]:
    """What a message brings: the next state, and what to tell."""
    if isinstance(state, Shunned):
        return state, None
    if isinstance(message, Refuse) and message.code == "version":
        return shun(state, now, message.detail)
    state = replace(state, heard=now)
    return _seeking(state, message, now) if isinstance(state, Seeking) else _welcomed(state, message, frames, now)


def _seeking(state: Seeking, message: ServerMessage, now: float) -> tuple[State, Event | None]:
    match message:
        case Welcome() if message.version != PROTOCOL_VERSION:
            return shun(state, now, f"the server speaks protocol {message.version}, not {PROTOCOL_VERSION}: install "
                                    "the same realmaster on both sides")
        case Welcome():
            return (Welcomed(message.spec, message.credits, now, now + PING_SECONDS, shuns=state.shuns),
                    Ready(message.spec, message.credits))
        case Warming():
            return state, Waiting(message.detail)
        case Refuse(sequence=None):
            return state, Refused(message)
        case Chunk() | Pong() | Refuse():
            return state, None  # of a life before
        case _:
            assert_never(message)


def _welcomed(state: Welcomed, message: ServerMessage, frames: list[Pixels], now: float) -> tuple[State, Event | None]:
    match message:
        case Chunk():
            return _chunk(state, message, frames, now)
        case Refuse():
            return _refused(state, message, now)
        case Pong(known=False):  # it was restarted faster than its silence could tell
            return _forgotten(state, now)
        case Pong():
            return replace(state, busy_seconds=message.rendering_ms / 1e3, queued=message.queued), None
        case Welcome() | Warming():
            return state, None  # answers a Hello that was said twice
        case _:
            assert_never(message)


def _chunk(state: Welcomed, chunk: Chunk, frames: list[Pixels], now: float) -> tuple[State, Event | None]:
    if all(window.sequence != chunk.sequence for window in state.in_flight):
        return state, None  # of a life before, or the second for its window
    window, *rest = state.in_flight
    if window.sequence != chunk.sequence:
        return shun(state, now, f"the server sent chunk {chunk.sequence} before {window.sequence}")
    facts = ("segment", "start", "valid", "width", "height")
    if wrong := [fact for fact in facts if getattr(chunk, fact) != getattr(window, fact)]:
        return shun(state, now, f"the server sent a chunk with another {' and '.join(wrong)} than its window's")
    return replace(state, in_flight=tuple(rest), busy_seconds=0.0, shuns=0), Arrived(chunk, frames)


def _refused(state: Welcomed, refusal: Refuse, now: float) -> tuple[State, Event | None]:
    if refusal.sequence is None:  # it is not about a window: the server did not understand a thing
        return shun(state, now, f"the server refuses this client: {refusal.detail}")
    rest = tuple(window for window in state.in_flight if window.sequence != refusal.sequence)
    if len(rest) == len(state.in_flight):
        return state, None  # of a life before
    if refusal.code == "order":
        return _forgotten(state, now)
    return replace(state, in_flight=rest), Refused(refusal)


def _forgotten(state: Welcomed, now: float) -> tuple[State, Event | None]:
    return Seeking(now, now, state.shuns), Lost(len(state.in_flight), "the server has forgotten this client")
