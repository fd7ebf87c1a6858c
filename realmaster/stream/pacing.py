"""When to take a frame and when to show one: pure decisions over plain numbers.

Nothing here reads a clock; times are seconds handed in by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

SLACK_SECONDS = 0.02
RELAX_SECONDS_PER_FRAME = 0.002
"""How fast the delay shrinks again while frames arrive early; slow enough not to be seen."""
MAX_DELAY = 3.0


@dataclass(frozen=True)
class Presentation:
    """Shows frame `t` at `t + delay`. `delay` is None until the first frame; `margin` is the last slack."""

    delay: float | None = None
    shown: float = float("-inf")


def present_at(state: Presentation, t_capture: float, now: float) -> tuple[float, Presentation]:
    """When to show a frame captured at `t_capture` that is ready at `now`.

    Late frames push the delay out for all that follow (the clock is re-anchored, nothing is
    fast-forwarded); early ones let it shrink by `RELAX_SECONDS_PER_FRAME`.
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
    """Which frames of a live source are taken: at most one per `period` seconds."""

    period: float
    next_due: float = float("-inf")


def take(state: Intake, now: float) -> tuple[bool, Intake]:
    """Whether to take a frame that is there at `now`. Evenly spaced on average, without bursts."""
    early = state.next_due - now
    if early > 2 * state.period:  # the clock was set back
        return True, replace(state, next_due=now + state.period)
    if early > state.period * 0.25:
        return False, state
    return True, replace(state, next_due=max(state.next_due + state.period, now))


def intake_period(seconds_per_window: float, stride: int, fastest: float) -> float:
    """Seconds between frames that a server can keep up with, and never less than `fastest`.

    A tenth is kept in hand, so that a window is rarely waiting when the next one is full.
    """
    return max(fastest, 1.1 * seconds_per_window / stride)
