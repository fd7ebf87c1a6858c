"""The probe on real rendered frames: nothing to say of a healthy game, and the right sentence for each broken one."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from capture.frame import Buffer, Encoding, Frame, Kind, packed_size
from capture.ring import RingWriter
from realmaster.guides.probe import examine
from realmaster.guides.probe.spread import spread
from realmaster.guides.probe.watch import GuideWatch

pytest.importorskip("moderngl", reason="needs the games extra")

from engine_plugins.demo_game.frames import to_frame
from engine_plugins.demo_game.raster import NoOpenGLError, Rasteriser
from engine_plugins.demo_game.worlds import WORLDS

WIDTH, HEIGHT, COUNT, FPS = 320, 180, 24, 24.0
pytestmark = pytest.mark.games


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """A second of a drive down the demo street."""
    scene = WORLDS["street"](5)
    try:
        game = Rasteriser(scene, WIDTH, HEIGHT)
    except NoOpenGLError as error:
        pytest.skip(str(error))
    made = [to_frame(game.render(7 + i / FPS, 1 / FPS), i, 7 + i / FPS, 1 / FPS, cut=i == 0) for i in range(COUNT)]
    return [dataclasses.replace(f, t_capture_ns=round(i / FPS * 1e9)) for i, f in enumerate(made)]


def with_data(frame: Frame, kind: Kind, data: np.ndarray, encoding: Encoding | None = None) -> Frame:
    old = frame.buffers[kind]
    new = Buffer(encoding or old.encoding, np.ascontiguousarray(data.astype(old.data.dtype if encoding is None else
                                                                            np.float32)))
    return dataclasses.replace(frame, buffers={**frame.buffers, kind: new})


def scaled(kind: Kind, by: tuple[float, ...]) -> Callable[[list[Frame]], list[Frame]]:
    return lambda frames: [with_data(f, kind, f.buffers[kind].data.astype(np.float32) * np.array(by)) for f in frames]


def depth_as(change: Callable[[np.ndarray, Frame], np.ndarray]) -> Callable[[list[Frame]], list[Frame]]:
    """`change` takes 1/z (H, W, 1) and the frame."""
    return lambda frames: [with_data(f, Kind.DEPTH, change(f.buffers[Kind.DEPTH].data.astype(np.float32), f))
                           for f in frames]


def z_buffer(inverse: np.ndarray, frame: Frame) -> np.ndarray:
    near, far = frame.camera.near, frame.camera.far
    return np.clip((far - near * far * inverse) / (far - near), 0, 1)


def flipped(frames: list[Frame]) -> list[Frame]:
    return [dataclasses.replace(f, buffers={k: Buffer(b.encoding, np.ascontiguousarray(b.data[::-1]))
                                            for k, b in f.buffers.items() if k is not Kind.MOTION}) for f in frames]


def cameras(change: Callable[[object, int], object]) -> Callable[[list[Frame]], list[Frame]]:
    return lambda frames: [dataclasses.replace(f, camera=change(f.camera, i)) for i, f in enumerate(frames)]


def transposed(camera, _i):
    names = ("view", "projection", "previous_view", "previous_projection")
    return dataclasses.replace(camera, **{n: getattr(camera, n).T.copy() for n in names})


def in_units(camera, by):
    """The same camera in a world that is measured in smaller units."""
    views = {name: getattr(camera, name).copy() for name in ("view", "previous_view")}
    for view in views.values():
        view[:3, 3] *= by
    return dataclasses.replace(camera, **views)


def jittered(camera, i):
    projection = camera.projection.copy()
    projection[0, 2] += (0.5 if i % 2 else -0.5) * 2 / WIDTH
    return dataclasses.replace(camera, projection=projection)


def stale(kind: Kind, late: int) -> Callable[[list[Frame]], list[Frame]]:
    """The buffer of a frame read `late` frames ago; 0 means: of every fourth frame only."""
    def change(frames: list[Frame]) -> list[Frame]:
        source = [i // 4 * 4 if late == 0 else max(0, i - late) for i in range(len(frames))]
        return [with_data(f, kind, frames[at].buffers[kind].data) for f, at in zip(frames, source, strict=True)]
    return change


def with_interface(frames: list[Frame]) -> list[Frame]:
    out = []
    for frame in frames:
        colour = frame.buffers[Kind.COLOR].data.copy()
        colour[-30:-10, 10:90] = 20
        colour[-26:-14:3, 14:86:6] = 250
        out.append(with_data(frame, Kind.COLOR, colour))
    return out


def without(*kinds: Kind) -> Callable[[list[Frame]], list[Frame]]:
    return lambda frames: [dataclasses.replace(f, buffers={k: b for k, b in f.buffers.items() if k not in kinds})
                           for f in frames]


BROKEN: dict[str, tuple[Callable[[list[Frame]], list[Frame]], str]] = {
    "motion of zeros": (scaled(Kind.MOTION, (0, 0)), "all zero while the picture moves"),
    "motion the other way": (scaled(Kind.MOTION, (-1, -1)), "point the other way"),
    "motion with y up": (scaled(Kind.MOTION, (1, -1)), "have y upwards"),
    "motion too short": (scaled(Kind.MOTION, (0.5, 0.5)), "half as long"),
    "motion too long": (scaled(Kind.MOTION, (2, 2)), "twice as long"),
    "motion in pictures": (scaled(Kind.MOTION, (1 / WIDTH, 1 / HEIGHT)), "widths and heights of the picture"),
    "motion in device coordinates": (scaled(Kind.MOTION, (2 / WIDTH, -2 / HEIGHT)), "device coordinates with y up"),
    "constant depth": (depth_as(lambda d, _f: np.full_like(d, 0.25)), "the same everywhere"),
    "depth with NaN": (depth_as(lambda d, _f: np.where(d > 0, d, np.nan)), "NaN"),
    "depth in metres": (depth_as(lambda d, _f: np.where(d > 1e-4, 1 / np.maximum(d, 1e-4), 0)), "name its encoding"),
    "depth in centimetres": (depth_as(lambda d, _f: d / 100), "in centimetres, not metres"),
    "matrices in millimetres": (cameras(lambda c, _i: in_units(c, 1000)), "in millimetres"),
    "no view at all": (cameras(lambda c, _i: dataclasses.replace(c, view=c.view * 0)), "cannot be inverted"),
    "depth from the z-buffer": (depth_as(z_buffer), "raw z-buffer"),
    "depth from a reversed z-buffer": (depth_as(lambda d, f: 1 - z_buffer(d, f)), "raw, reversed z-buffer"),
    "depth upside down": (depth_as(lambda d, _f: d[::-1]), "depth has its rows bottom-up"),
    "everything upside down": (flipped, "all rows run bottom-up"),
    "transposed matrices": (cameras(transposed), "transposed"),
    "matrices swapped": (cameras(lambda c, _i: dataclasses.replace(c, view=c.previous_view, previous_view=c.view)),
                         "previous matrices are the next ones"),
    "jitter": (cameras(jittered), "without jitter"),
    "stale depth": (stale(Kind.DEPTH, 0), "depth stays the same while the picture moves"),
    "depth a frame late": (stale(Kind.DEPTH, 1), "read back late"),
    "interface in the colour": (with_interface, "an interface is in the colour"),
    "a clock that jumps back": (lambda frames: [dataclasses.replace(f, t_capture_ns=10 ** 9 - f.t_capture_ns)
                                                for f in frames], "run backwards"),
    "numbers that stand": (lambda frames: [dataclasses.replace(f, frame_id=7) for f in frames], "do not rise"),
    "a step that is none": (lambda frames: [dataclasses.replace(f, dt=1.0) for f in frames], "dt is not the step"),
}


def test_a_healthy_game_has_nothing_wrong_and_its_guides_explain_the_picture(frames):
    seen = examine(frames)
    assert not seen.findings, seen
    assert seen.figures["gain by motion vectors, dB"] > 3 and seen.figures["gain by depth and camera, dB"] > 3


@pytest.mark.parametrize("name", BROKEN)
def test_each_fault_is_named(frames, name):
    break_it, sentence = BROKEN[name]
    faults = [finding.text for finding in examine(break_it(frames)).findings if finding.wrong]
    assert any(sentence in text for text in faults), (name, faults)
    assert len(faults) <= 2, "one fault is not told as many"


def test_what_is_missing_or_stands_still_is_a_note_and_no_fault(frames):
    bare = examine(without(Kind.DEPTH, Kind.MOTION)(frames))
    assert {finding.about for finding in bare.findings} == {"depth", "motion"}
    still = examine([dataclasses.replace(frames[0], frame_id=i, t_capture_ns=i, dt=0.0) for i in range(5)])
    assert [f.about for f in still.findings] == ["picture"] and not any(f.wrong for f in still.findings)


def test_smoke_before_a_camera_that_stands_says_nothing_of_depth(frames):
    still = []
    for i, frame in enumerate(frames):
        color = frames[1].buffers[Kind.COLOR].data.copy()
        color[20:40, 30:50, :3] = 60 + 20 * (i % 5)
        smoke = with_data(without(Kind.MOTION)(frames)[1], Kind.COLOR, color)
        still.append(dataclasses.replace(frame, buffers=smoke.buffers, camera=smoke.camera))
    seen = examine(still)
    assert not [f for f in seen.findings if f.wrong]
    assert any("only a little of the picture moves" in f.text for f in seen.findings)


def check_plugin(ring: str, seconds: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "realmaster", "check-plugin", ring, "--seconds", str(seconds)],
                          capture_output=True, text=True, check=False)


@pytest.mark.parametrize("flags", [("--fps", "12"), ("--framelocked",)])
def test_check_plugin_watches_a_running_game(ring_name, flags):
    game = subprocess.Popen([sys.executable, "-m", "engine_plugins.demo_game", "--ring", ring_name, *flags])
    try:
        done = check_plugin(ring_name, 3)
    finally:
        game.terminate()
        game.wait(10)
    assert done.returncode == 0 and "nothing wrong" in done.stdout, done.stdout + done.stderr
    assert "gain by motion vectors" in done.stdout and "camera" in done.stdout.splitlines()[0]


@contextmanager
def played(frames: list[Frame], ring: str) -> Iterator[None]:
    """A game of our own, in a thread, that gives these frames over and over, 20 a second."""
    writer, stop = RingWriter(ring, max(packed_size(f) for f in frames)), threading.Event()

    def play() -> None:
        numbers = itertools.count()
        while not stop.wait(0.05):
            number, now = next(numbers), time.monotonic_ns()
            writer.publish(dataclasses.replace(frames[number % COUNT], frame_id=number, t_capture_ns=now, dt=0.0))

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        writer.close()


def test_check_plugin_says_what_a_broken_game_gets_wrong(frames, ring_name):
    with played(BROKEN["motion the other way"][0](frames), ring_name):
        done = check_plugin(ring_name, 2)
    assert done.returncode == 1 and "WRONG: motion: motion vectors point the other way" in done.stdout, done.stdout


def test_live_warns_of_a_broken_game_though_it_needs_colour_alone(frames, ring_name, tmp_path):
    log = tmp_path / "log.json"
    with played(BROKEN["motion the other way"][0](frames), ring_name):
        live = subprocess.Popen([sys.executable, "-m", "realmaster", "live", "--game", "none", "--ring", ring_name,
                                 "--server", "none", "--port", "0", "--log-json", str(log), "--seconds", "60"])
        try:
            while "does not explain its picture" not in (log.read_text() if log.exists() else ""):
                assert live.poll() is None, "it never said anything"
                time.sleep(0.1)
        finally:
            live.terminate()
            live.wait(20)


def test_a_session_is_told_after_some_looks_and_only_of_bad_guides(frames):
    def verdicts(run: list[Frame]) -> list[str]:
        now = itertools.count(0, 2.0)
        watch = GuideWatch(lambda: float(next(now)))
        return [watch.look(frame) for frame in run]

    assert not any(verdicts(frames)) and not any(verdicts(without(Kind.DEPTH, Kind.MOTION)(frames)))
    broken = verdicts(BROKEN["motion the other way"][0](frames))
    assert not any(broken[:4]) and "does not explain its picture" in broken[-1]
    no_vectors = without(Kind.MOTION)(frames)
    assert not any(verdicts(no_vectors)) and verdicts(BROKEN["transposed matrices"][0](no_vectors))[-1]


@pytest.mark.parametrize("speed", [1, 8])
def test_a_fast_game_is_judged_by_frames_further_apart(speed):
    """Two hundred frames a second move so little from one to the next that warping blurs more than it gains."""
    game = Rasteriser(WORLDS["street"](5), WIDTH, HEIGHT)
    times = [7 + i / (FPS * speed) for i in range(COUNT * 2)]
    made = [to_frame(game.render(t, 1 / FPS / speed), i, t, 1 / FPS / speed, cut=i == 0) for i, t in enumerate(times)]
    fast = [dataclasses.replace(f, t_capture_ns=round(t * 1e9)) for f, t in zip(made, times, strict=True)]
    taken = spread(fast)
    assert len(taken) == len(fast) if speed == 1 else len(taken) < len(fast) / 2
    seen = examine(fast)
    assert not seen.findings, seen
    assert min(seen.figures["gain by motion vectors, dB"], seen.figures["gain by depth and camera, dB"]) > 3
    broken = [finding.text for finding in examine(BROKEN["motion the other way"][0](fast)).findings if finding.wrong]
    assert any("point the other way" in text for text in broken)
