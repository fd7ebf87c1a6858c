"""`realmaster render` on files of strangers, and beside files of theirs."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from realmaster.config import TINY, CaptureGame, Model, Record, Render
from realmaster.outputs.provenance import brief, signature
from realmaster.outputs.recording import Recording
from tests.conftest import moving_frames
from tests.contract.test_sources import write_video
from tests.films import H264, SMALL, TONE, decoded, ffmpeg, needs_ffmpeg, packet_times, probe, streams
from tests.system.test_render import render

pytestmark = [needs_ffmpeg, pytest.mark.skipif(not TINY.exists(), reason="no shipped weights")]


@pytest.fixture(scope="module")
def phone(tmp_path_factory) -> Path:
    """Upright, with sound, its first time not 0."""
    folder = tmp_path_factory.mktemp("phone")
    path = ffmpeg(*SMALL, *TONE, *H264, "-g", "10", "-c:a", "aac", folder / "lying.mp4")
    return ffmpeg("-itsoffset", "3", "-i", path, "-c", "copy", "-metadata:s:v", "rotate=90",
                  folder / "my: phone%02d.mp4")


def test_a_phones_video_comes_out_as_it_is_seen_and_heard(phone, tmp_path):
    out = tmp_path / "out.mp4"
    done = render(str(phone), "-o", str(out), "--strength", "0", "--start", "0.5")
    assert done.returncode == 0 and "15 frames" in done.stdout, done.stdout + done.stderr
    (picture,), (sound,) = streams(out), streams(out, "a")
    assert (picture["width"], picture["height"]) == (90, 160) and picture["color_space"] == "bt709"
    expected = decoded(phone, 90, 160, 15).astype(int)
    assert np.abs(decoded(out, 90, 160).astype(int) - expected).mean() < 16
    assert sound["codec_name"] == "aac" and float(sound["duration"]) == pytest.approx(0.5, abs=0.05)
    assert packet_times(out)[0] == 0 and packet_times(out, "a")[0] < 0.03
    comment = probe(out, "format_tags")["format"]["tags"]["comment"]
    assert 'input = "my: phone%02d.mp4"' in comment
    assert str(tmp_path) not in comment and str(phone.parent) not in comment


@pytest.mark.parametrize("size", [(160, 120), (91, 160)])
def test_a_shape_that_is_not_the_models_is_kept(tmp_path, size):
    clip = write_video(tmp_path / "clip.mkv", moving_frames(9, *size))
    done = render(str(clip), "-o", str(tmp_path / "o.mkv"), "--strength", "0")
    assert done.returncode == 0, done.stderr
    (stream,) = streams(tmp_path / "o.mkv")
    assert stream["width"] / stream["height"] == pytest.approx(size[0] / size[1], rel=0.01)
    made, given = decoded(tmp_path / "o.mkv", stream["width"], stream["height"], 4), decoded(clip, *size, 4)
    small = [cv2.resize(p, (40, 40), interpolation=cv2.INTER_AREA).astype(int) for p in (made, given)]
    assert np.abs(small[0] - small[1]).mean() < 12, "in its place, and not stretched"


def test_sizes(tmp_path):
    clip = str(write_video(tmp_path / "clip.mkv", moving_frames(5, 64, 36)))
    for size, words in ((("0", "0"), "at least 16"), (("-3", "5"), "16"), (("99999", "100"), "at most 8192")):
        done = render(clip, "-o", str(tmp_path / "o.mp4"), "--size", *size)
        assert done.returncode != 0 and words in done.stderr and "Traceback" not in done.stderr
    done = render(clip, "-o", str(tmp_path / "o.mp4"), "--size", "321", "181")
    assert done.returncode == 0, done.stderr
    assert (streams(tmp_path / "o.mp4")[0]["width"], streams(tmp_path / "o.mp4")[0]["height"]) == (322, 182)


def test_a_file_that_is_cut_off_is_rendered_as_far_as_it_goes_and_told(tmp_path):
    clip = write_video(tmp_path / "clip.mkv", moving_frames(30, 64, 36))
    clip.write_bytes(clip.read_bytes()[:clip.stat().st_size * 6 // 10])
    done = render(str(clip), "-o", str(tmp_path / "o.mkv"))
    assert done.returncode == 3 and "are missing" in done.stdout and (tmp_path / "o.mkv").exists()
    shown, lost = (int(re.findall(rf"(\d+) frames {word} ", done.stdout)[0]) for word in ("from", "of"))
    assert 29 <= shown + lost <= 31 and lost > 5


def test_what_is_there_stays_unless_told(tmp_path):
    clip = write_video(tmp_path / "clip.mkv", moving_frames(5, 64, 36))
    before = clip.read_bytes()
    for arguments in ([], ["--overwrite"]):
        done = render(str(clip), "-o", str(clip), *arguments)
        assert done.returncode == 1 and "would replace the input" in done.stderr and clip.read_bytes() == before
    (tmp_path / "o.mp4").write_bytes(b"dear to somebody")
    done = render(str(clip), "-o", str(tmp_path / "o.mp4"))
    assert done.returncode == 1 and "add --overwrite" in done.stderr
    done = render(str(clip), "-o", str(tmp_path / "o.mp4"), "--overwrite")
    assert done.returncode == 0 and len(packet_times(tmp_path / "o.mp4")) == 5
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clip.mkv", "o.mp4"]


def test_a_second_render_to_the_same_name_leaves_the_first_alone(tmp_path):
    clip = write_video(tmp_path / "clip.mkv", moving_frames(100, 64, 36))
    command = [sys.executable, "-m", "realmaster", "render", str(clip), "-o", str(tmp_path / "o.mkv")]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "o.mkv.part").exists():
        assert first.poll() is None and time.monotonic() < deadline
    second = render(str(clip), "-o", str(tmp_path / "o.mkv"))
    assert second.returncode == 1 and "another render writes" in second.stderr
    assert "100 frames" in first.communicate(timeout=120)[0] and first.returncode == 0
    assert len(packet_times(tmp_path / "o.mkv")) == 100


def test_progress_belongs_to_the_weights_it_was_made_with(tmp_path):
    clip = write_video(tmp_path / "clip.mkv", moving_frames(3, 32, 32))
    weights = tmp_path / "model" / "vae" / "w.safetensors"
    weights.parent.mkdir(parents=True)
    lora, anchor = tmp_path / "l.safetensors", tmp_path / "a.png"
    for file in (weights, lora, anchor):
        file.write_bytes(b"one")
    model = Model(model=str(tmp_path / "model"), lora=(f"{lora}:0.5",), anchor=anchor)
    settings = Render(input=clip, output=tmp_path / "o.mkv", model=model)
    papers = signature(settings)
    assert signature(replace(settings, overwrite=True)) == papers
    for file in (weights, lora, anchor):
        file.write_bytes(b"two")
        assert signature(settings) != papers, file
        file.write_bytes(b"one")
    assert signature(settings) == papers
    assert str(tmp_path) not in brief(settings) and 'lora = ["l.safetensors:0.5"]' in brief(settings)


def test_a_recording_tells_no_folder_server_or_key(tmp_path):
    """Of whoever made it; and of a game that was started, no more than its name."""
    model = Model(model=str(tmp_path / "model"), lora=(f"{tmp_path}/l.safetensors:0.5",))
    settings = Record(output=tmp_path / "take", sessions=tmp_path, video=tmp_path / "clip.mp4", model=model,
                      log_json=tmp_path / "log", server="tcp://box.example:5555", key=tmp_path / "my.secret",
                      server_key=tmp_path / "its.key")
    recording = Recording(settings)
    recording.start(settings.output)
    for frame in moving_frames(3):
        recording.tap(frame)
    recording.close()
    said = (tmp_path / "take" / "session.json").read_text()
    assert 'video = \\"clip.mp4\\"' in said and "l.safetensors:0.5" in said
    for word in (str(tmp_path), "example", "secret", "its.key"):
        assert all(word.encode() not in file.read_bytes() for file in (tmp_path / "take").iterdir()), word
    captured = brief(CaptureGame(command=(f"{tmp_path}/game", "--password", "hidden"), profile=tmp_path / "p.toml"))
    assert 'command = ["game"]' in captured and "hidden" not in captured and str(tmp_path) not in captured
