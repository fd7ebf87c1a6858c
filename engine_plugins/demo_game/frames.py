"""A drawn G-buffer as a `Frame` of the contract."""

from __future__ import annotations

import time

from capture.frame import Buffer, Camera, Encoding, Flags, Frame, Kind
from engine_plugins.demo_game.interface import draw_interface
from engine_plugins.demo_game.raster import GBuffer
from engine_plugins.demo_game.scene import FAR, NEAR


def to_frame(buffers: GBuffer, index: int, t: float, dt: float, *, cut: bool,
             interface: bool = False) -> Frame:
    """The frame contract's view of a rendered G-buffer; with an `interface`, its colour is there without it, too."""
    scene = Buffer(Encoding.RGBA8, buffers.colour)
    colours = {Kind.COLOR: scene}
    if interface:
        colours = {Kind.COLOR: Buffer(Encoding.RGBA8, draw_interface(buffers.colour, t)), Kind.SCENE_COLOR: scene}
    return Frame(
        frame_id=index, t_capture_ns=time.monotonic_ns(), t_game=t, dt=dt, flags=Flags.RESET if cut else Flags.NONE,
        camera=Camera(buffers.view, buffers.projection, buffers.previous_view, buffers.projection, NEAR, FAR),
        buffers={
            **colours,
            Kind.DEPTH: Buffer(Encoding.INVERSE_Z, buffers.inverse_depth[..., None]),
            Kind.MOTION: Buffer(Encoding.PIXELS, buffers.motion),
            Kind.NORMAL: Buffer(Encoding.WORLD_XYZ0, buffers.normal),
            Kind.OBJECT_ID: Buffer(Encoding.INDEX, buffers.object_id[..., None])})
