"""Files as phones, cameras, other programs and accidents make them."""

from __future__ import annotations

import os
from itertools import pairwise

import cv2
import numpy as np
import pytest

from capture.errors import CaptureError
from capture.video.source import VideoSource
from tests.films import H264, SMALL, TONE, decoded, ffmpeg, needs_ffmpeg, read_all

pytestmark = needs_ffmpeg


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """30 frames of 160x90, with sound."""
    return ffmpeg(*SMALL, *TONE, *H264, "-c:a", "aac", "-movflags", "+faststart",
                  tmp_path_factory.mktemp("clip") / "clip.mp4")


def times(path, **options):
    frames, lost = read_all(VideoSource(path, **options))
    assert not lost
    assert [bool(f.flags) for f in frames] == [True] + [False] * (len(frames) - 1)
    return [f.t_capture_ns / 1e9 for f in frames]


@pytest.mark.parametrize("name", ["Doom: Eternal.mp4", "take:1", "shot%03d.mp4", "-dash.mp4", "http:x.mp4", "*.mp4",
                                  "concat:a|b", "a b\nc.mp4", "pipe:0", "data:,x", "%.mp4", b"\xff\xfe.mp4"])
def test_a_name_is_a_name(clip, tmp_path, monkeypatch, name):
    name = os.fsdecode(name)
    (tmp_path / name).write_bytes(clip.read_bytes())
    assert len(times(tmp_path / name)) == 30
    monkeypatch.chdir(tmp_path)
    source = VideoSource(type(tmp_path)(name))
    assert source.info.name == f"video:{name}"
    source.close()


def test_a_picture_of_a_series_is_no_pattern(tmp_path):
    path = ffmpeg(*SMALL, tmp_path / "a.gif").rename(tmp_path / "p%03d.gif")
    assert len(times(path)) == 30


@pytest.mark.parametrize("list_of_files", [
    "#EXTM3U\n#EXTINF:1,\nclip.mp4\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile clip.mp4\n",
    "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"])
def test_a_list_of_other_files_is_no_video(clip, tmp_path, list_of_files):
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "list.mp4").write_text(list_of_files)
    with pytest.raises(CaptureError, match="cannot read a video"):
        VideoSource(tmp_path / "list.mp4")


def test_a_variable_frame_rate_keeps_its_times(tmp_path):
    path = ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=60:duration=2", "-vf", "select=lt(n\\,40)+gt(n\\,90)",
                  "-vsync", "vfr", *H264, tmp_path / "vfr.mp4")
    expected = [n / 60 for n in range(120) if n < 40 or n > 90]
    assert np.allclose(times(path), expected, atol=1e-3)
    frames, _ = read_all(VideoSource(path))
    assert frames[40].dt == pytest.approx(52 / 60, abs=1e-3)


def test_an_avi_with_left_out_frames_lasts_as_long_as_it_says(tmp_path):
    path = ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=50:duration=2", "-vf", "select=not(mod(n\\,2))",
                  "-vsync", "vfr", "-r", "50", "-c:v", "mpeg4", tmp_path / "x.avi")
    assert np.allclose(times(path), np.arange(50) / 25, atol=1e-3)


def test_raw_video_without_times_runs_at_its_rate(tmp_path):
    found = times(ffmpeg(*SMALL, *H264, "-f", "h264", tmp_path / "raw.264"))
    assert len(found) == 30 and all(b > a for a, b in pairwise(found))


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_spliced_transport_stream_goes_on(tmp_path, order):
    parts = {name: ffmpeg(*SMALL, *H264, "-output_ts_offset", offset, tmp_path / f"{name}.ts")
             for name, offset in (("a", "0"), ("b", "1000"))}
    (tmp_path / "ab.ts").write_bytes(b"".join(parts[name].read_bytes() for name in order))
    assert np.allclose(times(tmp_path / "ab.ts"), np.arange(60) / 30, atol=0.01)


def test_start_and_stop_are_by_the_files_times(clip):
    whole = times(clip)
    part = times(clip, start=0.4, stop=0.8)
    assert np.allclose(part, [t for t in whole if 0.4 <= t < 0.8])
    assert len(VideoSource(clip, 0.4, 0.8).info.name) and VideoSource(clip, 0.4, 0.8).frames_hint == 12
    with pytest.raises(CaptureError, match="no frames after 9 s"):
        VideoSource(clip, 9.0)


def test_an_edit_list_starts_where_it_says(clip, tmp_path):
    path = ffmpeg("-ss", "0.5", "-i", clip, "-c", "copy", tmp_path / "edit.mp4")
    frames, lost = read_all(VideoSource(path))
    expected = decoded(clip, 160, 90, 15).astype(int)
    assert not lost and len(frames) == 15 and np.abs(frames[0].rgb.astype(int) - expected).mean() < 6


@pytest.mark.parametrize("turn", ["90", "180", "270"])
def test_a_turned_picture_is_upright(clip, tmp_path, turn):
    path = ffmpeg("-i", clip, "-c", "copy", "-metadata:s:v", f"rotate={turn}", tmp_path / "turned.mp4")
    source = VideoSource(path)
    width, height = (160, 90) if turn == "180" else (90, 160)
    assert (source.info.width, source.info.height) == (width, height)
    picture, expected = source.read(1).rgb.astype(int), decoded(path, width, height).astype(int)
    assert np.abs(picture - expected).mean() < 6


def matrix_of(path, numbers):
    """Writes a display matrix (a, b, c, d) into an MP4's video track."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    for place, number in zip((0, 4, 12, 16), numbers, strict=True):
        data[at + place:at + place + 4] = (number << 16).to_bytes(4, "big", signed=True)
    path.write_bytes(data)


@pytest.mark.parametrize(("matrix", "expected"), [
    ((-1, 0, 0, 1), lambda p: p[:, ::-1]), ((1, 0, 0, -1), lambda p: p[::-1]),
    ((0, 1, 1, 0), lambda p: p.transpose(1, 0, 2)), ((0, -1, -1, 0), lambda p: p.transpose(1, 0, 2)[::-1, ::-1])])
def test_a_mirrored_picture_is_mirrored_back(clip, tmp_path, matrix, expected):
    path = ffmpeg("-i", clip, "-an", "-c", "copy", tmp_path / "mirrored.mp4")
    plain = read_all(VideoSource(path))[0][3].rgb
    matrix_of(path, matrix)
    assert np.array_equal(read_all(VideoSource(path))[0][3].rgb, expected(plain))


def test_pixels_that_are_not_square_also_turned(tmp_path):
    path = ffmpeg("-f", "lavfi", "-i", "testsrc2=size=180x144:rate=25:duration=0.2", "-vf", "setsar=16/15", *H264,
                  tmp_path / "pal.mp4")
    source = VideoSource(path)
    assert (source.info.width, source.info.height) == (192, 144)
    expected = cv2.resize(decoded(path, 180, 144), (192, 144), interpolation=cv2.INTER_CUBIC).astype(int)
    assert np.abs(source.read(1).rgb.astype(int) - expected).mean() < 6
    turned = ffmpeg("-i", path, "-c", "copy", "-metadata:s:v", "rotate=90", tmp_path / "turned.mp4")
    assert (VideoSource(turned).info.width, VideoSource(turned).info.height) == (144, 192)


def test_cover_art_is_not_the_film(clip, tmp_path):
    cover = ffmpeg("-f", "lavfi", "-i", "color=red:size=600x600:rate=1", "-frames:v", "1", tmp_path / "c.png")
    path = ffmpeg("-i", clip, "-i", cover, "-map", "1", "-map", "0", "-c:v:0", "png", "-c:v:1", "copy",
                  "-disposition:v:0", "attached_pic", tmp_path / "covered.mp4")
    source = VideoSource(path)
    assert source.info.width == 160 and len(read_all(source)[0]) == 30
    only = ffmpeg("-i", cover, *TONE, "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v:0", "attached_pic",
                  tmp_path / "song.m4a")
    with pytest.raises(CaptureError, match="shows no film: it holds audio"):
        VideoSource(only)


def test_of_several_films_the_largest_is_read_and_told(clip, tmp_path):
    path = ffmpeg("-i", clip, "-filter_complex", "[0:v]split[a][b];[a]scale=64:36[c]", "-map", "[c]", "-map", "[b]",
                  *H264, "-disposition:v:0", "0", "-disposition:v:1", "0", tmp_path / "two.mkv")
    source = VideoSource(path)
    assert source.info.width == 160 and source.notes == ["two.mkv has 2 video streams: number 1 is read"]


@pytest.mark.parametrize(("name", "share"), [("a.mkv", 0.5), ("a.mkv", 0.9), ("a.mp4", 0.5), ("a.mp4", 0.9),
                                             ("a.avi", 0.5), ("a.avi", 0.9), ("a.flv", 0.5)])
def test_a_file_that_is_cut_off_tells_how_much_is_missing(clip, tmp_path, name, share):
    codec = ("-c:v", "mpeg4", "-c:a", "mp3") if name == "a.avi" else ("-c", "copy")
    path = ffmpeg("-i", clip, *codec, "-movflags", "+faststart", tmp_path / name)
    assert len(times(path)) == 30
    data = path.read_bytes()
    path.write_bytes(data[:int(len(data) * share)])
    frames, lost = read_all(VideoSource(path))
    assert 0 < len(frames) < 30 and lost and 28 <= len(frames) + lost <= 32


def test_sound_that_goes_on_after_the_picture_is_no_loss(tmp_path):
    path = ffmpeg(*SMALL, "-f", "lavfi", "-i", "sine=duration=3", *H264, "-c:a", "aac", tmp_path / "long.mkv")
    assert len(times(path)) == 30


def test_interlaced_pictures_have_no_combs(tmp_path):
    path = ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=50:duration=1", "-vf", "interlace",
                  "-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ildct+ilme", tmp_path / "woven.mpg")
    ours = [f.rgb.astype(int) for f in read_all(VideoSource(path))[0]]
    woven = [decoded(path, 160, 96, n).astype(int) for n in (8, 16)]

    def combs(picture):
        return np.abs(2 * picture[1:-1] - picture[:-2] - picture[2:]).mean()

    assert len(ours) == 25 and combs(ours[8]) < 0.9 * combs(woven[0]) and combs(ours[16]) < 0.9 * combs(woven[1])


@pytest.mark.parametrize(("content", "words"), [
    (b"", "is empty"), (b"hello\n" * 100, "cannot read a video"), (None, "no such video"), ("folder", "is a folder"),
    (b"\x00\x00\x00\x18ftypmp42" + bytes(200), "cannot read a video")])
def test_what_is_no_video_is_told(tmp_path, content, words):
    path = tmp_path / "x.mp4"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(CaptureError, match=words):
        VideoSource(path)


def test_sound_alone_and_one_picture(tmp_path):
    with pytest.raises(CaptureError, match="shows no film: it holds audio"):
        VideoSource(ffmpeg(*TONE, "-c:a", "aac", tmp_path / "a.mp4"))
    assert times(ffmpeg(*SMALL, "-frames:v", "1", *H264, tmp_path / "one.mp4")) == [0.0]
