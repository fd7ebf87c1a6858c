"""Rates are over a stretch of time, whatever comes in a burst."""

from __future__ import annotations

import pytest

from realmaster.stream.rate import SECONDS, Rate


def rated(times: list[float]) -> Rate:
    rate = Rate()
    for time in times:
        rate.add(time)
    return rate


@pytest.mark.parametrize("fps", [1, 24, 60, 600, 3000])
def test_an_even_stream_has_its_rate(fps):
    rate = rated([100 + i / fps for i in range(10 * fps)])
    assert rate.value(110 - 1e-6) == pytest.approx(fps, rel=0.05)


@pytest.mark.parametrize("gap", [1e-6, 1e-9, 0.0])
def test_a_burst_after_a_stall_is_no_rate(gap):
    """64 frames that waited come out within microseconds: 14478 frames a second were shown for that."""
    rate = rated([*(i / 24 for i in range(240)), *(40 + i * gap for i in range(64))])
    assert rate.value(40.001) == pytest.approx(64 / SECONDS, rel=0.05)
    assert rate.value(50) == 0


def test_the_first_burst_is_no_rate_either():
    assert rated([5.0] * 13).value(5.0) <= 13
    assert Rate().value(1.0) == 0


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_jumps_gives_no_absurd_rate(jump):
    rate = rated([1e5 + i / 24 for i in range(240)])
    now = 1e5 + 10 + jump
    assert 0 <= rate.value(now) <= 24.5
    for i in range(240):
        rate.add(now + i / 24)
    assert rate.value(now + 10 - 1e-6) == pytest.approx(24, rel=0.05)
