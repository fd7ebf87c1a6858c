"""Pacing decisions, without a clock."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realmaster.stream.pacing import MAX_DELAY, Intake, Presentation, intake_period, present_at, take


@given(st.lists(st.tuples(st.floats(0.01, 0.1), st.floats(0, 1.5)), min_size=2, max_size=60))
def test_frames_are_shown_in_order_and_never_before_they_are_ready(steps):
    state, captured, shown = Presentation(), 0.0, []
    now = 0.0
    for gap, work in steps:
        captured += gap
        now = max(now, captured + work)
        due, state = present_at(state, captured, now)
        assert due >= now
        shown.append(due)
    assert shown == sorted(shown)


def test_chunks_that_come_at_once_are_shown_at_the_games_pace():
    state, due = Presentation(), []
    for chunk in range(10):
        for i in range(8):
            captured = (chunk * 8 + i) / 24
            ready = ((chunk + 1) * 8) / 24 + 0.3
            at, state = present_at(state, captured, ready)
            due.append(at)
    gaps = [b - a for a, b in itertools.pairwise(due[8:])]
    assert max(gaps) < 0.06 and min(gaps) > 0.03


def test_a_late_frame_moves_the_clock_and_does_not_hurry_the_rest():
    state = Presentation()
    _, state = present_at(state, 0.0, 0.5)
    due, state = present_at(state, 0.04, 1.54)  # a hiccup of a second
    assert due >= 1.54
    after, state = present_at(state, 0.08, 1.55)
    assert after - due == pytest.approx(0.04, abs=0.01)
    assert state.delay is not None and state.delay <= MAX_DELAY


@given(st.floats(0.01, 0.2), st.floats(0.005, 0.05))
def test_intake_takes_about_one_frame_a_period(period, step):
    state, taken = Intake(period), 0
    for i in range(400):
        ok, state = take(state, i * step)
        taken += ok
    possible = min(400, 400 * step / period)
    assert taken <= possible * 1.34 + 2
    assert taken >= possible * 0.5 - 2


def test_the_intake_follows_the_server_but_not_beyond_the_limit():
    assert intake_period(0.8, 8, 1 / 30) == pytest.approx(0.11)
    assert intake_period(0.01, 8, 1 / 30) == pytest.approx(1 / 30)
