"""Colours of files that other programs made, against what was put into them."""

from __future__ import annotations

import numpy as np
import pytest

from capture.errors import CaptureError
from capture.video.hdr import WHITE, light_to_pq, pq_to_light, rolled_off
from capture.video.source import VideoSource
from tests.films import ffmpeg, needs_ffmpeg

pytestmark = needs_ffmpeg
RED = (200, 30, 30)
LOSSLESS = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0")


def patch(tmp_path, size, filters, *options, name="patch.mkv", colour="0xC81E1E"):
    return ffmpeg("-f", "lavfi", "-i", f"color={colour}:size={size}:rate=25:duration=0.1",
                  "-vf", f"format=gbrp,{filters}", *options, tmp_path / name)


def middle(path):
    source = VideoSource(path)
    picture = source.read(1).rgb
    source.close()
    return picture[picture.shape[0] // 2, picture.shape[1] // 2].astype(int)


def tags(matrix, colour_range="tv"):
    return ("-colorspace", matrix, "-color_range", colour_range)


@pytest.mark.parametrize(("size", "stored", "options"), [
    ("1280x720", "bt709:out_range=tv,format=yuv420p", ()),
    ("1280x720", "bt709:out_range=tv,format=yuv420p", tags("bt709")),
    ("320x240", "bt601:out_range=tv,format=yuv420p", ()),
    ("720x576", "bt601:out_range=tv,format=yuv420p", ()),
    ("320x240", "bt709:out_range=tv,format=yuv420p", tags("bt709")),
    ("1280x720", "bt601:out_range=tv,format=yuv420p", tags("smpte170m")),
    ("320x240", "bt709:out_range=pc,format=yuv420p", tags("bt709", "pc")),
    ("320x240", "bt709:out_range=tv,format=yuv422p10le", tags("bt709")),
    ("320x240", "smpte240m:out_range=tv,format=yuv444p", tags("smpte240m")),
    ("320x240", "bt2020:out_range=tv,format=yuv420p10le", tags("bt2020nc"))])
def test_the_matrix_is_the_tagged_one_or_goes_by_size(tmp_path, size, stored, options):
    path = patch(tmp_path, size, f"scale=out_color_matrix={stored}", *LOSSLESS, *options)
    assert np.abs(middle(path) - RED).max() <= 3


@pytest.mark.parametrize(("filters", "options", "name"), [
    ("scale=out_color_matrix=bt601:out_range=pc,format=yuvj420p", ("-c:v", "mjpeg", "-q:v", "1"), "patch.avi"),
    ("format=gbrp", ("-c:v", "libx264rgb", "-qp", "0"), "patch.mkv"),
    ("format=rgb24", ("-c:v", "png"), "patch.mov"),
    ("format=bgr0", ("-c:v", "ffv1"), "patch.mkv"),
    ("scale=out_color_matrix=bt601,format=yuv420p", ("-c:v", "libvpx-vp9", "-lossless", "1"), "patch.webm")])
def test_other_codecs(tmp_path, filters, options, name):
    assert np.abs(middle(patch(tmp_path, "320x240", filters, *options, name=name)) - RED).max() <= 3


@pytest.mark.parametrize(("curve", "primaries", "matrix"), [
    ("smpte2084", "bt2020", "bt2020nc"), ("bt2020-10", "bt2020", "bt2020nc"), ("bt709", "smpte432", "bt709")])
def test_wide_gamut_and_hdr_come_back_from_another_converter(tmp_path, curve, primaries, matrix):
    """zimg puts an SDR colour into the other space; what is darker than the roll-off comes back as it was."""
    convert = f"zscale=min=gbr:tin=bt709:pin=bt709:rin=full:t={curve}:p={primaries}:m={matrix}:r=limited:npl=203"
    path = patch(tmp_path, "320x240", f"{convert},format=yuv420p10le", "-c:v", "libx265", "-x265-params",
                 "log-level=none:lossless=1", "-color_primaries", primaries, "-color_trc", curve, "-colorspace", matrix,
                 name="patch.mp4", colour="0x7C3C3C")
    assert np.abs(middle(path) - (124, 60, 60)).max() <= 3
    notes = VideoSource(path).notes
    assert any("BT.2390" in note for note in notes) == (curve == "smpte2084")


@pytest.mark.parametrize(("code", "expected"), [(0.5, 143), (0.75, 230), (1.0, 255), (0.0, 0)])
def test_hlg_by_the_standards_own_numbers(tmp_path, code, expected):
    """BT.2408: 75% is reference white, which BT.2390 brings from 203 to 159 cd/m2 of a display that shows 203."""
    filters = f"format=yuv420p10le,geq=lum={round(64 + 876 * code)}:cb=512:cr=512"
    path = patch(tmp_path, "320x240", filters, "-c:v", "libx265", "-x265-params", "log-level=none:lossless=1",
                 "-color_primaries", "bt2020", "-color_trc", "arib-std-b67", "-colorspace", "bt2020nc", name="hlg.mp4")
    assert np.abs(middle(path) - expected).max() <= 2


def test_bt2390_and_pq():
    assert np.allclose(pq_to_light(np.array([0, 0.508078, 0.751827, 1])), [0, 100, 1000, 10_000], rtol=1e-3)
    light = np.linspace(0.01, 4000, 5000)
    assert np.allclose(pq_to_light(light_to_pq(light)), light, rtol=1e-6)
    for peak in (400, 1000, 4000):
        out = rolled_off(np.linspace(0, peak, 5000), peak)
        assert np.all(np.diff(out) >= 0) and abs(out[-1] - WHITE) < 0.1
        assert abs(rolled_off(np.array(1.0), peak) - 1) < 1e-6


def test_what_is_transparent_is_black_and_told(tmp_path):
    path = ffmpeg("-f", "lavfi", "-i", "color=red@0.5:size=64x64:rate=10:duration=0.2,format=rgba", "-c:v", "png",
                  tmp_path / "alpha.mov")
    assert np.abs(middle(path) - (127, 0, 0)).max() <= 2
    assert "transparent" in VideoSource(path).notes[0]


def test_a_matrix_that_is_not_computed_is_refused(tmp_path):
    path = patch(tmp_path, "320x240", "format=yuv420p", *LOSSLESS, "-colorspace", "ycgco")
    with pytest.raises(CaptureError, match="YCgCo, which is not read: convert it"):
        VideoSource(path)
