"""Converts high dynamic range and wide gamut to BT.709 in 8 bits, which RealMaster works in.

PQ and HLG are defined in ITU-R BT.2100. Bright parts are rolled off by the EETF of ITU-R BT.2390 (section 5.4.1), from
the peak that the file gives to 203 cd/m2, the level of reference white in BT.2408, which becomes 255.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
WHITE = 203.0
"""Luminance of reference white, in cd/m2 (BT.2408)."""
PEAK = 1000.0
"""Peak luminance, in cd/m2, if the file gives none; also the peak of HLG's nominal display (BT.2100)."""
PQ, HLG = 16, 18
BT2020, DCI_P3, DISPLAY_P3 = 9, 11, 12
"""Code points of transfer curves and primaries are those of ITU-T H.273."""
GAMMA = 2.4
"""The gamma of a display for BT.709 (ITU-R BT.1886 with a black level of 0)."""
TO_BT709 = {  # linear light; from the chromaticities in H.273, white scaled (P3 of cinema has another white)
    BT2020: [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]],
    DCI_P3: [[1.157491, -0.154962, -0.002530], [-0.041501, 1.045559, -0.004058], [-0.018050, -0.078574, 1.096624]],
    DISPLAY_P3: [[1.224940, -0.224940, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]],
}
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def pq_to_light(code: NDArray[Any]) -> NDArray[Any]:
    """Converts PQ code (0 to 1) to luminance in cd/m2 (BT.2100, table 4)."""
    p = np.power(code, 1 / _M2)
    return 10_000 * np.power(np.maximum(p - _C1, 0) / (_C2 - _C3 * p), 1 / _M1)


def light_to_pq(light: NDArray[Any]) -> NDArray[Any]:
    """Converts luminance in cd/m2 to PQ code (0 to 1), the inverse of `pq_to_light`."""
    y = np.power(np.asarray(light) / 10_000, _M1)
    return np.power((_C1 + _C2 * y) / (1 + _C3 * y), _M2)


def hlg_to_scene(code: NDArray[Any]) -> NDArray[Any]:
    """Converts HLG code (0 to 1) to linear light of the scene, 0 to 1 (BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code ** 2 / 3, (np.exp((code - c) / a) + b) / 12)


def rolled_off(light: NDArray[Any], peak: float) -> NDArray[Any]:
    """Maps luminance up to `peak` to luminance up to `WHITE`, in cd/m2, by BT.2390's EETF with a black level of 0."""
    top, goal = float(light_to_pq(np.array(peak))), float(light_to_pq(np.array(WHITE)))
    if top <= goal:
        return light
    e, limit = np.minimum(light_to_pq(light) / top, 1), goal / top
    knee = 1.5 * limit - 0.5
    t = (e - knee) / (1 - knee)
    spline = ((2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * limit)
    return pq_to_light(np.where(e < knee, e, spline) * top)


@lru_cache(4)
def _light_table(curve: int) -> Floats:
    code = np.arange(65536) / 65535
    if curve == PQ:
        return pq_to_light(code).astype(np.float32)
    if curve == HLG:
        return hlg_to_scene(code).astype(np.float32)
    return (code ** GAMMA).astype(np.float32)


@lru_cache(4)
def _gain_table(peak: float) -> Floats:
    """The factor for a pixel, (4096,) f32, by the square root of its brightest channel over `peak`."""
    light = (np.arange(1, 4097) / 4096) ** 2 * peak
    return (rolled_off(light, peak) / light / WHITE).astype(np.float32)


@lru_cache(1)
def _code_table() -> NDArray[np.uint8]:
    """The 8-bit code, (65536,) u8, for linear light from 0 to 1."""
    return np.rint(255 * (np.arange(65536) / 65535) ** (1 / GAMMA)).astype(np.uint8)


def to_bt709(picture: NDArray[np.uint16], curve: int, primaries: int, peak: float) -> NDArray[np.uint8]:
    """Converts RGB, (H, W, 3) u16, of a transfer curve and primaries (H.273) to BT.709, (H, W, 3) u8."""
    light = _light_table(curve)[picture]
    if curve == HLG:  # the display's own curve (OOTF), gamma 1.2 at 1000 cd/m2
        luminance = light @ np.array([0.2627, 0.6780, 0.0593], np.float32)
        light *= (PEAK * np.power(luminance, 0.2))[..., None]
    if curve in (PQ, HLG):
        index = np.sqrt(np.minimum(light.max(-1) / peak, 1)) * 4096
        light *= _gain_table(peak)[np.maximum(index.astype(np.int32) - 1, 0)][..., None]
    if primaries in TO_BT709:
        light = cv2.transform(light, np.array(TO_BT709[primaries], np.float32))
    return _code_table()[np.rint(np.clip(light, 0, 1) * 65535).astype(np.uint16)]


def peak_of(side_data: Any) -> float:
    """The peak luminance, in cd/m2, from a frame's side data: of the content, else of its mastering display."""
    if (content := side_data.get("CONTENT_LIGHT_LEVEL")) is not None:
        peak = float(struct.unpack_from("=I", bytes(content))[0])
        if WHITE <= peak <= 10_000:
            return peak
    if (display := side_data.get("MASTERING_DISPLAY_METADATA")) is not None:
        # AVMasteringDisplayMetadata: 8 chromaticities, least and greatest luminance, each two ints; two flags
        high, low, _, known = struct.unpack_from("=4i", bytes(display), 72)
        if known and low and WHITE <= high / low <= 10_000:
            return high / low
    return PEAK
