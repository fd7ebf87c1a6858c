"""Damaged, hostile and unfortunate sessions: nothing is destroyed, nothing is written elsewhere, all is counted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capture.errors import CaptureError
from capture.frame import Frame
from capture.recording.folder import FolderLock
from capture.recording.layout import ABOUT, INDEX
from capture.recording.reader import read_index
from capture.recording.recover import recover
from capture.session import SessionSource
from tests.system.test_recording import full_frame, read_all, record


def two_sections(path: Path) -> Path:
    return record(path, [full_frame(i) for i in range(5)] + [full_frame(i, 33, 17) for i in range(5, 30)])


def unfinished(path: Path) -> Path:
    """The session as a recorder leaves it that is killed."""
    part = path.with_name(path.name + ".part")
    path.rename(part)
    lines = (part / INDEX).read_bytes().splitlines(keepends=True)
    (part / INDEX).write_bytes(b"".join(line for line in lines if b'"end"' not in line))
    return part


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in (path / INDEX).read_text().splitlines()]


def rewrite(path: Path, lines: list) -> None:
    (path / INDEX).write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))


def tell(*words: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "realmaster", *words], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return done.returncode, done.stdout + done.stderr


def readable(path: Path) -> tuple[list[Frame], int]:
    """The frames that a reader gets, and how many it is told to be missing."""
    frames = read_all(path)
    return frames, sum(frame.dropped for frame in frames) + read_index(path).missing_after


@pytest.mark.parametrize("track", ["color.mkv", "depth.mkv"])
def test_a_damaged_first_section_costs_that_section_alone(tmp_path, track):
    part = unfinished(two_sections(tmp_path / "take"))
    (part / track).write_bytes(os.urandom(4000))
    found = recover(part)
    frames, missing = readable(found.path)
    assert [f.frame_id for f in frames] == list(range(5, 30)) and found.kept == 25
    assert found.lost == found.missing == missing == 5
    assert found.left == part and len(list(part.iterdir())) == len(list(found.path.iterdir())) + 6, "it may be of use"
    assert {line.get("number", 0) for line in lines_of(found.path)} == {0}


def test_the_same_frames_are_missing_to_recover_and_to_render(tmp_path):
    frames = [full_frame(i) for i in range(12)]
    path = record(tmp_path / "take", [f for f in frames if f.frame_id != 4])
    lines = lines_of(path)
    lines[3]["dropped"], lines[7] = 9, '{"type": "frame", "pts"'
    rewrite(path, lines)
    file = path / "depth.mkv"
    file.write_bytes(file.read_bytes()[:-3000])
    found = recover(path)
    again, missing = readable(found.path)
    assert len(again) == found.kept
    assert found.missing == missing >= 10
    code, said = tell("recover", str(found.path))
    assert code == 3 and f"{missing} lost" in said


@pytest.mark.parametrize("change", [
    lambda lines: lines[:4] + lines[3:],
    lambda lines: lines + lines,
    lambda lines: [*lines[:6], "{}", "garbage" * 100_000, *lines[6:]],
    lambda lines: [*lines[:2], lines[0], *lines[2:]]], ids=["one line twice", "all twice", "garbage", "section twice"])
def test_lines_too_many_stand_for_no_frame(tmp_path, change):
    path = record(tmp_path / "take", [full_frame(i) for i in range(9)])
    rewrite(path, change(lines_of(path)))
    assert [f.frame_id for f in read_all(path)] == list(range(9)) and read_index(path).missing == 0
    found = recover(path)
    assert (found.kept, found.lost) == (9, 0) and (found.path / INDEX).read_text().count("\n") == 11


@pytest.mark.parametrize(("which", "fact", "value"), [
    (0, "number", -1), (0, "number", 1_000_000_000), (0, "width", 0), (0, "height", 1 << 40), (0, "buffers", {}),
    (0, "buffers", {"color": "RGBA8", "/home/x/holiday": "RGBA8"}), (0, "buffers", {"color": "RGBA8", "../x": "RGBA8"}),
    (0, "buffers", {"color": "INVERSE_Z"}), (0, "buffers", {"photo": "RGBA8"}),
    (3, "pts", -5), (3, "pts", 10**30), (3, "pts", 0), (3, "section", -1), (3, "section", 7), (3, "section", 10**9),
    (3, "frame_id", -1), (3, "frame_id", 10**400), (3, "t_game", None), (3, "dt", -1), (3, "dropped", -3),
    (3, "metres_per_unit", 0), (3, "flags", -1), (3, "t_capture_ns", 10**40)])
def test_an_index_that_lies_ends_in_a_count(tmp_path, which, fact, value):
    path = record(tmp_path / "take", [full_frame(i) for i in range(6)])
    lines = lines_of(path)
    lines[which][fact] = value
    rewrite(path, lines)
    index = read_index(path)
    assert index.missing == 6 - len(index.pts) > 0
    before = {p.name for p in tmp_path.iterdir()}
    found = recover(path)
    assert found.kept == 6 and found.rebuilt == index.missing, "the pictures are there"
    assert {p.name for p in tmp_path.iterdir()} - before == {"take-recovered"}
    assert len(read_all(found.path)) == 6


@pytest.mark.parametrize(("fact", "value"), [
    ("view", [0.0]), ("view", [0.0] * 16), ("projection", [1e300] * 16), ("projection", [None] * 16), ("near", None),
    ("far", -1.0), ("source", 0), ("source", 99)])
def test_a_camera_that_lies_ends_in_a_count(tmp_path, fact, value):
    path = record(tmp_path / "take", [full_frame(i) for i in range(4)])
    lines = lines_of(path)
    lines[2]["camera"][fact] = value
    rewrite(path, lines)
    frames, missing = readable(path)
    assert [f.frame_id for f in frames] == [0, 2, 3] and missing == 1


@pytest.fixture(scope="module")
def healthy(tmp_path_factory) -> Path:
    return record(tmp_path_factory.mktemp("healthy") / "take", [full_frame(i) for i in range(4)])


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
                    max_leaves=5)


@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_index_gives_a_traceback_or_writes_elsewhere(healthy, tmp_path_factory, data):
    home = tmp_path_factory.mktemp("hostile")
    path = shutil.copytree(healthy, home / "take")
    lines = lines_of(path)
    for _ in range(data.draw(st.integers(1, 4))):
        line = data.draw(st.sampled_from(lines))
        if isinstance(line, dict):
            line[data.draw(st.sampled_from([*line, "type", "camera"]))] = data.draw(JSON)
    rewrite(path, lines)
    if data.draw(st.booleans()):
        content = bytearray((path / INDEX).read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        (path / INDEX).write_bytes(content[:data.draw(st.integers(0, len(content)))])
    try:
        found = recover(path)
        assert found.kept == (len(read_all(found.path)) if found.kept else 0)
        SessionSource(path).read(0)
    except CaptureError:
        pass
    assert {p.name for p in home.iterdir()} <= {"take", "take-recovered"}
    shutil.rmtree(home)


@pytest.mark.parametrize("name", ["color.mkv", INDEX, ABOUT])
def test_links_and_pipes_in_a_session_are_not_followed(tmp_path, name):
    path = record(tmp_path / "take", [full_frame(i) for i in range(3)])
    secret = shutil.copy(path / name, tmp_path / "secret")
    (path / name).unlink()
    (path / name).symlink_to(secret)
    with pytest.raises(CaptureError, match="link"):
        SessionSource(path).read(0)
    (path / name).unlink()
    os.mkfifo(path / name)
    code, said = tell("recover", str(path))
    assert code in {0, 1, 3} and said
    assert Path(secret).exists()


def test_a_session_of_the_future_is_not_mended_to_death(tmp_path):
    path = unfinished(record(tmp_path / "take", [full_frame(0)]))
    about = json.loads((path / ABOUT).read_text())
    (path / ABOUT).write_text(json.dumps({"format": about["format"], "version": 99, "all": "else"}))
    with pytest.raises(CaptureError, match="version 99"):
        recover(path)
    assert (path / "color.mkv").exists()
    (path / ABOUT).unlink()
    found = recover(path)
    assert (found.kept, found.lost) == (1, 0), "without it the pictures are still good"


def test_recovering_twice_and_a_healthy_session_changes_nothing(tmp_path):
    take = record(tmp_path / "take", [full_frame(i) for i in range(5)])
    before = {p: p.stat().st_mtime_ns for p in take.iterdir()}
    assert recover(take) == recover(take)
    assert {p: p.stat().st_mtime_ns for p in take.iterdir()} == before
    assert tell("recover", str(take))[0] == 0 and [p.name for p in tmp_path.iterdir()] == ["take"]
    part = unfinished(take)
    assert recover(part).kept == recover(take).kept == 5
    with pytest.raises(CaptureError, match="no session"):
        recover(part)


def test_what_is_not_the_sessions_is_not_removed(tmp_path):
    part = unfinished(record(tmp_path / "take", [full_frame(i) for i in range(3)]))
    (part / "notes.txt").write_text("mine")
    mending = tmp_path / "take.mending"
    mending.mkdir()
    (mending / "holiday.jpg").write_text("mine, too")
    with pytest.raises(CaptureError, match="move it away"):
        recover(part)
    assert (mending / "holiday.jpg").exists() and (part / "color.mkv").exists()
    (mending / "holiday.jpg").unlink()
    (mending / "color.mkv").write_text("of a recover that was killed")
    lock = FolderLock(mending)
    with pytest.raises(CaptureError, match="just now"):
        recover(part)
    lock.release()
    found = recover(part)
    assert found.kept == 3 and found.left == part and [p.name for p in part.iterdir()] == ["notes.txt"]


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True, text=True,
                          check=False)
    if made.returncode:
        pytest.skip(f"may not mount a small disk here: {made.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_on_a_full_disk_recover_loses_nothing_and_leaves_nothing(tmp_path, small_disk):
    take = unfinished(record(tmp_path / "take", [full_frame(i, 96, 64) for i in range(10)]))
    part = small_disk / "take.part"
    shutil.copytree(take, part)
    before = {p.name: p.read_bytes() for p in part.iterdir()}
    code, said = tell("recover", str(part))
    assert code == 1 and "free some space" in said
    assert [p.name for p in small_disk.iterdir()] == ["take.part"]
    assert {p.name: p.read_bytes() for p in part.iterdir()} == before


def test_where_nothing_may_be_written_a_session_can_still_be_read(tmp_path, small_disk):
    record(small_disk / "whole", [full_frame(i) for i in range(2)])
    unfinished(record(small_disk / "cut", [full_frame(i) for i in range(2)]))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert tell("recover", str(small_disk / "whole"))[0] == 0
    assert len(read_all(small_disk / "whole")) == 2
    code, said = tell("recover", str(small_disk / "cut"))
    assert code == 1 and "cannot write" in said and "nothing is lost" in said


def test_an_unfinished_session_is_told_in_one_sentence_by_everybody(tmp_path):
    unfinished(record(tmp_path / "take", [full_frame(0)]))
    told = {tell(*words)[1].strip().splitlines()[-1] for words in (
        ("render", str(tmp_path / "take"), "-o", str(tmp_path / "x.mp4")),
        ("play", str(tmp_path / "take"), "--port", "0"), ("play", f"{tmp_path / 'take'}/", "--port", "0"))}
    assert len(told) == 1
    assert f"realmaster recover {tmp_path / 'take.part'}" in told.pop()
