"""Whose a name is: results replace nothing unasked, never their input, and are made by one render at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from capture.frame import color_frame
from capture.video.join import Film, pictures_in
from realmaster.errors import UserError
from realmaster.outputs.open import open_output
from realmaster.outputs.output import Layout
from realmaster.stream.session import Shown
from realmaster.stream.stats import Stats
from tests.conftest import moving_frames
from tests.contract.test_sources import record, write_video

FILM = Film("auto", Fraction(25), "", None)


def begin(path, source=Path("nothing"), overwrite=False):
    return open_output(Path(path), Path(source), Layout(None, False), FILM, overwrite)


def make(path, source=Path("nothing"), overwrite=False, count=3):
    output = begin(path, source, overwrite)
    try:
        for number in range(count):
            picture = np.full((32, 32, 3), number, np.uint8)
            output.show(Shown(color_frame(number, number * 40_000_000, picture), picture), Stats())
        output.finish()
    finally:
        output.place.release()


def test_what_exists_is_replaced_only_when_told_and_only_by_what_is_whole(tmp_path):
    path = tmp_path / "a.mkv"
    path.write_bytes(b"dear to somebody")
    with pytest.raises(UserError, match="add --overwrite"):
        make(path)
    with pytest.raises(UserError, match="no frames"):
        make(path, overwrite=True, count=0)
    assert path.read_bytes() == b"dear to somebody"
    make(path, overwrite=True)
    assert pictures_in(path) == 3


def test_what_appears_meanwhile_is_not_replaced_either(tmp_path):
    output = begin(tmp_path / "a.mkv")
    picture = np.zeros((32, 32, 3), np.uint8)
    output.show(Shown(color_frame(0, 0, picture), picture), Stats())
    (tmp_path / "a.mkv").write_bytes(b"dear to somebody")
    with pytest.raises(UserError, match="What was rendered is whole, in"):
        output.finish()
    output.place.clear()
    output.place.release()
    assert (tmp_path / "a.mkv").read_bytes() == b"dear to somebody"
    assert pictures_in(tmp_path / "a.mkv.part" / "whole.mkv") == 1


@pytest.mark.parametrize("disguise", ["itself", "symbolic link", "hard link", "other spelling", "link to its folder"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_the_input_is_never_replaced(tmp_path, disguise, overwrite):
    (tmp_path / "in").mkdir()
    clip = write_video(tmp_path / "in" / "clip.mkv", moving_frames(3, 32, 32))
    before, path = clip.read_bytes(), tmp_path / "other.mkv"
    if disguise == "itself":
        path = clip
    elif disguise == "symbolic link":
        path.symlink_to(clip)
    elif disguise == "hard link":
        os.link(clip, path)
    elif disguise == "other spelling":
        path = tmp_path / "in" / ".." / "in" / "clip.mkv"
    else:
        (tmp_path / "link").symlink_to(tmp_path / "in")
        path = tmp_path / "link" / "clip.mkv"
    with pytest.raises(UserError, match="would replace the input"):
        make(path, clip, overwrite)
    assert clip.read_bytes() == before and not list(tmp_path.rglob("*.part"))


def test_a_sessions_files_are_its_input(tmp_path):
    take = record(tmp_path / "take", moving_frames(3, 32, 32))
    os.link(take / "color.mkv", tmp_path / "linked.mkv")
    for path in (take / "color.mkv", tmp_path / "linked.mkv", tmp_path / "take.png", tmp_path.with_suffix(".png")):
        with pytest.raises(UserError, match="would replace the input"):
            make(path, take, overwrite=True)
    make(take / "inside.mp4", take)
    make(take / "inside.mp4", take, overwrite=True)
    assert (take / "inside.mp4").exists()


def test_pictures_replace_nothing_but_pictures(tmp_path):
    make(tmp_path / "shot.png")
    with pytest.raises(UserError, match="exists already"):
        make(tmp_path / "shot.png")
    make(tmp_path / "shot.png", overwrite=True, count=2)
    assert sorted(p.name for p in (tmp_path / "shot").iterdir()) == ["shot_000000.png", "shot_000001.png", "times.csv"]
    (tmp_path / "shot" / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match=r"holds more than pictures of a render \(letter.txt\)"):
        make(tmp_path / "shot.png", overwrite=True)
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "IMG_000001.png").write_bytes(b"dear")
    with pytest.raises(UserError, match=r"IMG_000001\.png"):
        make(tmp_path / "holiday.png", overwrite=True)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        make(tmp_path / "folder.mp4", overwrite=True)


def test_a_part_folder_of_somebody_elses_is_left_alone(tmp_path):
    (tmp_path / "a.mp4.part").mkdir()
    (tmp_path / "a.mp4.part" / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match=r"what no render put there \(letter.txt\)"):
        make(tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4.part" / "letter.txt").read_text() == "dear"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "b.mp4.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="cannot write"):
        make(tmp_path / "b.mp4")


def test_an_input_inside_the_part_folder_is_safe(tmp_path):
    (tmp_path / "a.mp4.part").mkdir()
    piece = write_video(tmp_path / "a.mp4.part" / "whole.mkv", moving_frames(3, 32, 32))
    with pytest.raises(UserError, match="would replace the input"):
        make(tmp_path / "a.mp4", piece)
    assert piece.exists()


def test_one_render_at_a_time(tmp_path):
    """Another process holds the place; whatever becomes of it, the next one may go on there."""
    program = ("import sys; from tests.unit.test_places import begin; output = begin(sys.argv[1]);"
               "print('held', flush=True); sys.stdin.read()")
    other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "a.mp4")], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    (tmp_path / "a.mp4.part" / "piece-000000.nut").write_bytes(b"its progress")
    with pytest.raises(UserError, match=r"another render writes .*a\.mp4 just now"):
        make(tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4.part" / "piece-000000.nut").read_bytes() == b"its progress"
    make(tmp_path / "b.mp4")
    other.kill()
    other.communicate()
    make(tmp_path / "a.mp4")
    assert pictures_in(tmp_path / "a.mp4") == 3
