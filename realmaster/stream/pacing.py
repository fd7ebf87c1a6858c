"""Decides when a frame is taken from a live source and when a frame is shown.

These are pure functions. They read no clock: the caller passes times in, in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

SLACK_SECONDS = 0.02
RELAX_SECONDS_PER_FRAME = 0.002
"""How fast the delay shrinks while frames arrive early. It is slow enough that nobody sees it."""
MAX_DELAY = 3.0


@dataclass(frozen=True)
class Presentation:
    """The pace of the display: a frame captured at time `t` is shown at `t + delay`.

    Times are in seconds. `delay` is None until the first frame. `shown` is when the last frame was due.
    """

    delay: float | None = None
    shown: float = float("-inf")


def present_at(state: Presentation, t_capture: float, now: float) -> tuple[float, Presentation]:
    """Decides when to show a frame.

    A late frame increases the delay for all frames after it, so nothing is fast-forwarded. An early frame lets the
    delay shrink by `RELAX_SECONDS_PER_FRAME`.

    Args:
        state: the pace after the frame before.
        t_capture: when the frame was captured, in seconds.
        now: when it is ready to be shown, in seconds.

    Returns:
        When to show it, in seconds, and the new pace.
    """
    ready = now - t_capture + SLACK_SECONDS
    relaxed = ready if state.delay is None else state.delay - RELAX_SECONDS_PER_FRAME
    delay = max(ready, relaxed)
    if delay - ready > MAX_DELAY or state.shown > now + MAX_DELAY:  # the clock was set back: begin anew
        return now, Presentation(ready, now)
    due = max(t_capture + delay, state.shown)
    return due, replace(state, delay=min(delay, MAX_DELAY), shown=due)


@dataclass(frozen=True)
class Intake:
    """Which frames of a live source are taken: one per `period` seconds at most. `next_due` is in seconds."""

    period: float
    next_due: float = float("-inf")


def take(state: Intake, now: float) -> tuple[bool, Intake]:
    """Decides whether to take a frame. The frames taken are evenly spaced on average, without bursts.

    Args:
        state: the state after the frame before.
        now: when the frame arrived, in seconds.

    Returns:
        Whether to take it, and the new state.
    """
    early = state.next_due - now
    if early > 2 * state.period:  # the clock was set back
        return True, replace(state, next_due=now + state.period)
    if early > state.period * 0.25:
        return False, state
    return True, replace(state, next_due=max(state.next_due + state.period, now))


def intake_period(seconds_per_window: float, stride: int, fastest: float) -> float:
    """The seconds between two frames that a server can keep up with.

    A tenth is added, so that one window is rarely still waiting when the next is complete.

    Args:
        seconds_per_window: how long the server takes for a window.
        stride: the number of new frames in a window.
        fastest: the least result, in seconds.
    """
    return max(fastest, 1.1 * seconds_per_window / stride)
