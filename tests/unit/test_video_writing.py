"""Files that we write, as other programs read them."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from capture.constant import ConstantRateSource, exact_rate
from capture.errors import CaptureError
from capture.frame import color_frame
from capture.recording.layout import About
from capture.recording.recorder import Recorder
from capture.video.encode import write_clip
from capture.video.files import VideoError
from capture.video.join import Film, pictures_in
from capture.video.source import VideoSource
from realmaster.errors import UserError
from realmaster.outputs.open import check, open_output
from realmaster.outputs.output import Layout
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats
from tests.films import H264, SMALL, TONE, decoded, ffmpeg, needs_ffmpeg, packet_times, probe, read_all, streams

pytestmark = needs_ffmpeg
RED = (200, 30, 30)


def write(path, pictures, codec="auto", *, sound=None, layout=None, source=Path("no such input"), overwrite=False):
    """A video of pictures (H, W, 3) at 25 a second, in pieces of four, as `render` writes it."""
    film = Film(codec, Fraction(25), "made by a test", sound)
    output = open_output(path, source, layout or Layout(None, False), film, overwrite)
    try:
        for number, picture in enumerate(pictures):
            output.show(Shown(color_frame(number, 10**9 + number * 40_000_000, picture), picture), Stats())
            if number % 4 == 3:
                output.settle()
        output.finish()
    finally:
        output.close()
        output.place.release()
    return output


def flat(width, height, colour=RED, count=6):
    return [np.full((height, width, 3), colour, np.uint8)] * count


@pytest.mark.parametrize(("name", "codec"), [
    ("a.mp4", "h264"), ("a.mp4", "h265"), ("a.mov", "h264"), ("a.mov", "prores"), ("a.mkv", "h264"), ("a.mkv", "h265"),
    ("a.mkv", "prores"), ("a.mkv", "ffv1")])
@pytest.mark.parametrize("size", [(1280, 720), (320, 240)])
def test_colours_are_tagged_and_come_out_right_elsewhere(tmp_path, name, codec, size):
    write(tmp_path / name, flat(*size, count=2), codec)
    (stream,) = streams(tmp_path / name)
    picture = decoded(tmp_path / name, *size).astype(int)
    assert np.abs(picture[50, 50] - RED).max() <= 3
    if codec == "ffv1":
        assert stream["pix_fmt"] == "bgr0" and stream["color_space"] == "gbr"
    else:
        assert [stream[k] for k in ("color_space", "color_primaries", "color_transfer", "color_range")] == [
            "bt709", "bt709", "bt709", "tv"]
    assert np.abs(VideoSource(tmp_path / name).read(1).rgb[50, 50].astype(int) - RED).max() <= 3


def test_short_clips_of_pairs_and_reports_are_tagged_too(tmp_path):
    write_clip(tmp_path / "clip.mp4", flat(321, 181), 24, {"crf": "8"})
    (stream,) = streams(tmp_path / "clip.mp4")
    assert (stream["width"], stream["height"], stream["color_space"]) == (322, 182, "bt709")
    assert np.abs(decoded(tmp_path / "clip.mp4", 322, 182)[90, 160].astype(int) - RED).max() <= 3


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.mp4", "h265"), ("a.mov", "prores"),
                                             ("a.mkv", "ffv1")])
@pytest.mark.parametrize("size", [(427, 239), (1365, 767), (81, 144), (33, 17)])
def test_odd_sizes_are_written_by_every_codec(tmp_path, name, codec, size):
    write(tmp_path / name, flat(*size, count=1), codec)
    (stream,) = streams(tmp_path / name)
    assert stream["width"] - size[0] in (0, 1) and stream["height"] - size[1] in (0, 1)
    if codec in ("prores", "ffv1"):
        assert (stream["width"], stream["height"]) == size


def test_a_recording_of_an_odd_size_keeps_its_photoreal_track(tmp_path):
    recorder = Recorder(About(source="test", pacing="framelocked"), lossless=True, replay_seconds=1, replay_bytes=10**8)
    recorder.start(tmp_path / "take")
    for number in range(3):
        frame = color_frame(number, number * 40_000_000, np.full((239, 427, 3), 10 * number, np.uint8))
        recorder.take(frame)
        recorder.take_photo(frame.t_capture_ns, np.full((239, 427, 3), RED, np.uint8))
    recorder.save_replay(tmp_path / "replay")
    recorder.close()
    assert not recorder.status.error
    for folder in ("take", "replay"):
        photo = tmp_path / folder / "photo.mkv"
        assert pictures_in(photo) == 3 and streams(photo)[0]["color_space"] == "bt709"
        assert np.abs(decoded(photo, 428, 240)[100, 100].astype(int) - RED).max() <= 3
        assert streams(tmp_path / folder / "color.mkv")[0]["width"] == 427
        assert streams(photo)[0]["pix_fmt"] == "yuv420p", "as capture/recording/layout.py says: a pair's alone is RGB"


def test_apples_players_find_hvc1(tmp_path):
    write(tmp_path / "a.mp4", flat(320, 180), "h265")
    assert streams(tmp_path / "a.mp4")[0]["codec_tag_string"] == "hvc1"


@pytest.mark.parametrize(("name", "codec", "words"), [
    ("a.mp4", "prores", "end the output in .mov or .mkv"), ("a.mp4", "ffv1", "end the output in .mkv"),
    ("a.mov", "ffv1", "does not go into .mov"), ("a.png", "h264", "is for videos"),
    ("a.avi", "auto", "end the output in"), ("a", "auto", "end the output in")])
def test_what_does_not_go_together_is_refused_at_once(tmp_path, name, codec, words):
    with pytest.raises(UserError, match=words):
        check(tmp_path / name, codec)


def test_suffixes_in_capitals(tmp_path):
    write(tmp_path / "A.MP4", flat(64, 48))
    assert streams(tmp_path / "A.MP4")[0]["codec_name"] == "h264"
    assert [p.name for p in tmp_path.iterdir()] == ["A.MP4"]


def test_another_shape_gets_bars_and_side_by_side_too(tmp_path):
    write(tmp_path / "a.mkv", flat(64, 64, (255, 255, 255), 1), layout=Layout((128, 72), True))
    picture = decoded(tmp_path / "a.mkv", 256, 72)
    assert not picture[:, :28].any() and not picture[:, 100:156].any() and not picture[:, 228:].any()
    assert (picture[:, 28:100] == 255).all() and (picture[:, 156:228] == 255).all()


def test_names_are_names_when_writing(tmp_path):
    for name in ("take:1.mp4", "shot%03d.mkv", "-o.mov", "http:x.mp4", "a\nb.mp4"):
        write(tmp_path / name, flat(32, 32, count=5))
        assert pictures_in(tmp_path / name) == 5
    write(tmp_path / "a%d:b.png", flat(32, 32, count=2))
    assert (tmp_path / "a%d:b" / "a%d:b_000001.png").exists()


def test_pictures_come_with_a_list_of_their_times(tmp_path):
    write(tmp_path / "shot.exr", flat(32, 32, count=3))
    assert (tmp_path / "shot" / "times.csv").read_text().splitlines() == [
        "file,seconds", "shot_000000.exr,0.000000", "shot_000001.exr,0.040000", "shot_000002.exr,0.080000"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return ffmpeg(*SMALL, *TONE, *H264, "-c:a", "aac", tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.mark.parametrize("fps", [10, 24, 25, 50, 60, 29.97])
def test_a_constant_rate_has_as_many_frames_as_it_should(clip, tmp_path, fps):
    rate = exact_rate(fps)
    frames, lost = read_all(ConstantRateSource(VideoSource(clip), rate))
    assert not lost and abs(len(frames) - fps) <= 0.51
    assert [f.t_capture_ns for f in frames] == [round(n * 10**9 / rate) for n in range(len(frames))]
    originals = [f.rgb for f in read_all(VideoSource(clip))[0]]
    for number, frame in enumerate(frames):
        shown = next(i for i, picture in enumerate(originals) if np.array_equal(picture, frame.rgb))
        assert abs(shown / 30 - number / fps) <= max(0.5 / fps, 1 / 30) + 1e-6
    assert [bool(f.flags) for f in frames] == [True] + [False] * (len(frames) - 1)


def test_rates_that_people_mean():
    assert [exact_rate(x) for x in (23.976, 29.97, 59.94, 30, 12.5)] == [
        Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001), 30, Fraction(25, 2)]


def test_a_constant_rate_reads_as_one_elsewhere(tmp_path):
    source = ConstantRateSource(VideoSource(ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=60:duration=1", "-vf",
                                                   "select=gt(random(1)\\,0.4)", "-vsync", "vfr", *H264,
                                                   tmp_path / "vfr.mp4")), Fraction(24))
    film = Film("h264", Fraction(24), "", None)
    output = open_output(tmp_path / "o.mp4", tmp_path / "vfr.mp4", Layout(None, False), film, False)
    for frame in read_all(source)[0]:
        output.show(Shown(frame, frame.rgb), Stats())
    output.finish()
    (stream,) = streams(tmp_path / "o.mp4")
    assert (stream["r_frame_rate"], stream["avg_frame_rate"]) == ("24/1", "24/1")


def test_nothing_in_a_file_tells_where_it_was_made(tmp_path):
    write(tmp_path / "a.mp4", flat(64, 48))
    assert str(tmp_path).encode() not in (tmp_path / "a.mp4").read_bytes()
    assert probe(tmp_path / "a.mp4", "format_tags")["format"]["tags"]["comment"] == "made by a test"


def test_a_full_disk_is_told_from_a_limit_and_from_a_codec(tmp_path):
    program = ("import resource, sys; from pathlib import Path; from tests.unit.test_video_writing import write, flat;"
               "import numpy as np; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
               "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
               "noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8);"
               "write(Path(sys.argv[1]), [noise] * 3)")
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.mkv")], capture_output=True, text=True,
                          check=False)
    assert "allows no larger file; free some space" in done.stderr and "disk is full" not in done.stderr
    assert "free some space" not in str(VideoError("Invalid argument").advice)
    with pytest.raises(CaptureError, match="No such file"):
        write_clip(tmp_path / "none" / "a.mp4", flat(32, 32), 24, {})


def test_a_full_disk_says_so(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True,
                      check=False).returncode:
        pytest.skip("needs to mount a small disk, which only root may")
    try:
        noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
        with pytest.raises(UserError, match=r"the disk is full; free some space, then the same command goes on"):
            write(disk / "a.mkv", [noise] * 9)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_packets_are_as_long_as_their_pictures_last(tmp_path):
    write(tmp_path / "a.mp4", flat(64, 48, count=9))
    assert packet_times(tmp_path / "a.mp4") == pytest.approx([n / 25 for n in range(9)])
    durations = [float(p["duration_time"]) for p in probe(tmp_path / "a.mp4", "packet=duration_time")["packets"]]
    assert durations == pytest.approx([0.04] * 9, abs=1e-4)
