"""The states of a client towards its server, and pure functions that give the next state.

    Seeking --Welcome--> Welcomed --silence, "order"--> Seeking
       ^                    |
       |                 invalid message, another version
       +----a while later---+--> Shunned

If a server sends invalid messages or has another version, the client leaves it alone for a while. The pause doubles
each time, until the server answers a window. When the client leaves `Welcomed`, it gives up all windows in flight at
once, so no credit is lost. Later answers to them match no window in flight and are ignored.

Times are in seconds of a monotonic clock, which the caller reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from bridge.contract import Chunk, ModelSpec, Pixels, Window
from bridge.protocol import PROTOCOL_VERSION, Hello, Ping, Pong, Refuse, ServerMessage, Warming, Welcome

HELLO_SECONDS, PING_SECONDS, DEAD_SECONDS = 0.3, 0.5, 1.5
SHUN_SECONDS, LONGEST_SHUN_SECONDS = 0.5, 8.0
"""The first and the longest pause after which a bad server is tried again."""


@dataclass(frozen=True)
class Waiting:
    """The client is not welcomed yet. `detail` is what the server said, or that no server answers."""

    detail: str


@dataclass(frozen=True)
class Ready:
    """The server has welcomed the client: it may have `credits` windows in flight."""

    spec: ModelSpec
    credits: int


@dataclass(frozen=True)
class Refused:
    """The server refused a window, or it has no place for this client."""

    reason: Refuse


@dataclass(frozen=True)
class Lost:
    """The server is silent, forgot this client or sent an invalid message. `in_flight` windows are lost."""

    in_flight: int
    detail: str


@dataclass(frozen=True)
class Arrived:
    """A window was rendered: its valid frames, (height, width, 3) u8 each."""

    chunk: Chunk
    frames: list[Pixels]


Event = Waiting | Ready | Refused | Lost | Arrived


@dataclass(frozen=True)
class Seeking:
    """The client says Hello until it is welcomed. `heard`: when the server last spoke; `hello`: when Hello is due."""

    heard: float
    hello: float
    shuns: int = 0


@dataclass(frozen=True)
class Welcomed:
    """The client may send windows.

    `in_flight` are those not answered yet, in order. `heard` is when the server last spoke. `ping` is when the next
    Ping is due. At the last Pong, the server had worked on its present window for `busy_seconds`.
    """

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
    """The client leaves the server alone until `until`. `shuns` counts how often it has done so in a row."""

    until: float
    shuns: int


State = Seeking | Welcomed | Shunned


def tick(state: State, now: float, address: str) -> tuple[State, type[Hello | Ping] | None, Event | None]:
    """Gives the next state when time has passed.

    Args:
        state: the state.
        now: the time.
        address: the server's address, for messages.

    Returns:
        The next state, the kind of message to send if one is due, and the event for the caller if there is one.
    """
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
    """The state after `window` was sent."""
    return replace(state, in_flight=(*state.in_flight, window))


def listening(state: State, now: float) -> State:
    """The state after a time in which the caller did not poll: it does not count as silence of the server."""
    return state if isinstance(state, Shunned) else replace(state, heard=now)


def shun(state: State, now: float, why: str) -> tuple[State, Event | None]:
    """Leaves the server alone for a while. Returns the next state, and the event for the caller if there is one."""
    if isinstance(state, Shunned):
        return state, None
    pause = min(SHUN_SECONDS * 2 ** state.shuns, LONGEST_SHUN_SECONDS)
    lost = len(state.in_flight) if isinstance(state, Welcomed) else 0
    return Shunned(now + pause, min(state.shuns + 1, 8)), Lost(lost, f"{why}; trying again in {pause:g} s")


def hear(state: State, message: ServerMessage, frames: list[Pixels], now: float) -> tuple[State, Event | None]:
    """Gives the next state when a message has arrived.

    Args:
        state: the state.
        message: what the server said.
        frames: the frames of a Chunk.
        now: the time.

    Returns:
        The next state, and the event for the caller if there is one.
    """
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
            return state, None  # answers a message from before the server was lost
        case _:
            assert_never(message)


def _welcomed(state: Welcomed, message: ServerMessage, frames: list[Pixels], now: float) -> tuple[State, Event | None]:
    match message:
        case Chunk():
            return _chunk(state, message, frames, now)
        case Refuse():
            return _refused(state, message, now)
        case Pong(known=False):  # it was restarted before its silence was noticed
            return _forgotten(state, now)
        case Pong():
            return replace(state, busy_seconds=message.rendering_ms / 1e3, queued=message.queued), None
        case Welcome() | Warming():
            return state, None  # answers a second Hello
        case _:
            assert_never(message)


def _chunk(state: Welcomed, chunk: Chunk, frames: list[Pixels], now: float) -> tuple[State, Event | None]:
    if all(window.sequence != chunk.sequence for window in state.in_flight):
        return state, None  # answers a window from before, or answers a window twice
    window, *rest = state.in_flight
    if window.sequence != chunk.sequence:
        return shun(state, now, f"the server sent chunk {chunk.sequence} before {window.sequence}")
    facts = ("segment", "start", "valid", "width", "height")
    if wrong := [fact for fact in facts if getattr(chunk, fact) != getattr(window, fact)]:
        return shun(state, now, f"the server sent a chunk with another {' and '.join(wrong)} than its window's")
    return replace(state, in_flight=tuple(rest), busy_seconds=0.0, shuns=0), Arrived(chunk, frames)


def _refused(state: Welcomed, refusal: Refuse, now: float) -> tuple[State, Event | None]:
    if refusal.sequence is None:  # it is not about a window: the server did not understand the client
        return shun(state, now, f"the server refuses this client: {refusal.detail}")
    rest = tuple(window for window in state.in_flight if window.sequence != refusal.sequence)
    if len(rest) == len(state.in_flight):
        return state, None  # about a window from before
    if refusal.code == "order":
        return _forgotten(state, now)
    return replace(state, in_flight=rest), Refused(refusal)


def _forgotten(state: Welcomed, now: float) -> tuple[State, Event | None]:
    return Seeking(now, now, state.shuns), Lost(len(state.in_flight), "the server has forgotten this client")
