"""Sound stays with its pictures: copied where it can be, in step, cut to the range."""

from __future__ import annotations

import subprocess
from fractions import Fraction

import numpy as np
import pytest

from capture.video.join import Film
from capture.video.source import VideoSource
from realmaster.outputs.open import open_output
from realmaster.outputs.output import Layout
from realmaster.stream.session import Shown
from realmaster.stream.stats import Stats
from tests.films import H264, ffmpeg, needs_ffmpeg, read_all, streams

pytestmark = needs_ffmpeg
PICTURES = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=2")
BEEP = ("-f", "lavfi", "-i", "aevalsrc=if(gt(t\\,1)\\,sin(2*PI*440*t)\\,0):sample_rate=44100:duration=2")
"""Silent until its second second."""


def film(path, *codec):
    pictures = ("-c:v", "mpeg4") if path.suffix == ".avi" else (*H264, "-g", "25")
    return ffmpeg(*PICTURES, *BEEP, *pictures, *codec, path)


def pass_on(source_path, path, start=0.0, stop=0.0):
    """Writes the pictures and the sound of one video as another."""
    source = VideoSource(source_path, start, stop)
    output = open_output(path, source_path, Layout(None, False), Film("auto", Fraction(25), "", source.sound), False)
    for frame in read_all(source)[0]:
        output.show(Shown(frame, frame.rgb), Stats())
    output.finish()
    output.place.release()
    return output.notes


def heard(path, track=0):
    """The sound as ffmpeg plays it, from second 0 of the file: 48,000 numbers a second."""
    command = ["ffmpeg", "-v", "error", "-i", f"file:{path}", "-map", f"0:a:{track}",
               "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", "48000", "-f", "s16le", "-"]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout, np.int16)


def begins(path, track=0):
    """When it is first loud."""
    return int(np.argmax(np.abs(heard(path, track).astype(int)) > 2000)) / 48_000


@pytest.mark.parametrize(("given", "codec", "made", "comes_out"), [
    ("a.mkv", ("-c:a", "aac"), "o.mp4", "aac"),
    ("a.mkv", ("-c:a", "libvorbis"), "o.mp4", "aac"),
    ("a.mkv", ("-c:a", "pcm_s16le"), "o.mp4", "aac"),
    ("a.mkv", ("-c:a", "pcm_s16le"), "o.mov", "pcm_s16le"),
    ("a.mkv", ("-c:a", "flac"), "o.mkv", "flac"),
    ("a.mkv", ("-c:a", "libopus"), "o.mkv", "opus"),
    ("a.ts", ("-c:a", "aac"), "o.mp4", "aac"),
    ("a.avi", ("-c:a", "mp3"), "o.mp4", "mp3"),
    ("a.mov", ("-c:a", "pcm_mulaw", "-ar", "8000"), "o.mp4", "aac"),
    ("a.mkv", ("-c:a", "libopus", "-ac", "6", "-mapping_family", "1"), "o.mov", "aac")])
def test_every_container_gets_sound_in_step(tmp_path, given, codec, made, comes_out):
    assert pass_on(film(tmp_path / given, *codec), tmp_path / made) == []
    (stream,) = streams(tmp_path / made, "a")
    assert stream["codec_name"] == comes_out and len(streams(tmp_path / made)) == 1
    assert begins(tmp_path / made) == pytest.approx(begins(tmp_path / given) if given != "a.ts" else 1.0, abs=0.03)
    assert len(heard(tmp_path / made)) / 48_000 == pytest.approx(2.0, abs=0.06)


@pytest.mark.parametrize("codec", ["aac", "libvorbis"])
@pytest.mark.parametrize(("given", "offset"), [("a.mkv", "0"), ("a.mkv", "7.3"), ("a.ts", "90000")])
def test_a_range_is_cut_in_step_whatever_the_first_time_is(tmp_path, codec, given, offset):
    if (codec, given) == ("libvorbis", "a.ts"):
        codec = "mp2"
    path = film(tmp_path / given, "-c:a", codec, "-output_ts_offset", offset)
    pass_on(path, tmp_path / "o.mp4", 0.4, 1.6)
    assert begins(tmp_path / "o.mp4") == pytest.approx(0.6, abs=0.04)
    assert len(heard(tmp_path / "o.mp4")) / 48_000 == pytest.approx(1.2, abs=0.06)
    assert int(streams(tmp_path / "o.mp4")[0]["nb_frames"]) == 30


def test_sound_that_begins_later_than_the_picture_still_does(tmp_path):
    sound = ffmpeg(*BEEP, "-c:a", "aac", tmp_path / "sound.m4a")
    path = ffmpeg(*PICTURES, "-itsoffset", "0.5", "-i", sound, *H264, "-c:a", "copy", tmp_path / "late.mkv")
    pass_on(path, tmp_path / "o.mp4")
    assert begins(tmp_path / "o.mp4") == pytest.approx(1.5, abs=0.03)


def test_all_tracks_are_kept(tmp_path):
    path = ffmpeg(*PICTURES, *BEEP, "-f", "lavfi", "-i", "sine=duration=2", "-map", "0", "-map", "1", "-map", "2",
                  *H264, "-c:a:0", "aac", "-c:a:1", "libvorbis", tmp_path / "two.mkv")
    pass_on(path, tmp_path / "o.mp4")
    assert [s["codec_name"] for s in streams(tmp_path / "o.mp4", "a")] == ["aac", "aac"]
    assert begins(tmp_path / "o.mp4", 0) == pytest.approx(1, abs=0.03) and begins(tmp_path / "o.mp4", 1) < 0.03


def test_a_splice_keeps_sound_and_picture_together(tmp_path):
    one, two = (film(tmp_path / f"{n}.ts", "-c:a", "aac", "-output_ts_offset", n) for n in ("0", "5000"))
    (tmp_path / "spliced.ts").write_bytes(one.read_bytes() + two.read_bytes())
    pass_on(tmp_path / "spliced.ts", tmp_path / "o.mp4")
    sound = np.abs(heard(tmp_path / "o.mp4").astype(int))
    loud = sound[:len(sound) // 480 * 480].reshape(-1, 480).max(1) > 2000
    changes = np.flatnonzero(np.diff(loud.astype(int))) / 100
    assert changes[:3] == pytest.approx([1, 2, 3], abs=0.08)


def test_sound_that_is_cut_off_or_damaged_does_not_cost_the_pictures(tmp_path):
    data = bytearray(film(tmp_path / "a.mkv", "-c:a", "libvorbis").read_bytes())
    for at in range(len(data) // 2, len(data) * 3 // 4, 997):
        data[at:at + 20] = bytes(20)
    (tmp_path / "bad.mkv").write_bytes(data[:len(data) * 3 // 4])
    pass_on(tmp_path / "bad.mkv", tmp_path / "o.mp4")
    assert len(streams(tmp_path / "o.mp4", "a")) == 1 and int(streams(tmp_path / "o.mp4")[0]["nb_frames"]) > 10


def test_pictures_say_that_they_have_none(tmp_path):
    notes = pass_on(film(tmp_path / "a.mkv", "-c:a", "aac"), tmp_path / "shot.png")
    assert notes == ["pictures have no sound: that of a.mkv is left out"]
