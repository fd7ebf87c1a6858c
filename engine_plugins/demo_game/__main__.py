"""The demo game as a process: `python -m engine_plugins.demo_game --ring demo`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from capture.frame import Buffer, Camera, Encoding, Flags, Frame, Kind
from engine_plugins.demo_game.scene import FAR, NEAR
from engine_plugins.demo_game.worlds import WORLDS
from engine_plugins.publish import play

if TYPE_CHECKING:
    from engine_plugins.demo_game.raster import GBuffer


def to_frame(buffers: GBuffer, index: int, t: float, dt: float, cut: bool) -> Frame:
    """The frame contract's view of a rendered G-buffer."""
    return Frame(
        frame_id=index, t_capture_ns=time.monotonic_ns(), t_game=t, dt=dt, flags=Flags.RESET if cut else Flags.NONE,
        camera=Camera(buffers.view, buffers.projection, buffers.previous_view, buffers.projection, NEAR, FAR),
        buffers={
            Kind.COLOR: Buffer(Encoding.RGBA8, buffers.colour),
            Kind.DEPTH: Buffer(Encoding.INVERSE_Z, buffers.inverse_depth[..., None]),
            Kind.MOTION: Buffer(Encoding.PIXELS, buffers.motion),
            Kind.NORMAL: Buffer(Encoding.WORLD_XYZ0, buffers.normal),
            Kind.OBJECT_ID: Buffer(Encoding.INDEX, buffers.object_id[..., None])})


def main() -> int:
    """Parses the command line and plays."""
    parser = argparse.ArgumentParser(prog="demo_game", description="A procedural world, rendered without a display.")
    parser.add_argument("--ring", default="demo", help="name of the ring to publish (default: demo)")
    parser.add_argument("--world", choices=sorted(WORLDS), default="street", help="what kind (default: street)")
    parser.add_argument("--seed", type=int, default=7, help="which one of its kind (default: 7)")
    parser.add_argument("--size", default="640x360", help="WIDTHxHEIGHT (default: 640x360)")
    parser.add_argument("--fps", type=float, default=24.0, help="frames a second, 0 for unlimited (default: 24)")
    parser.add_argument("--frames", type=int, default=0, help="stop after so many, 0 for never (default: 0)")
    parser.add_argument("--framelocked", action="store_true", help="wait for the reader: nothing is lost")
    args = parser.parse_args()
    width, height = (int(v) for v in args.size.split("x"))
    # One llvmpipe thread leaves the other core to the model.
    os.environ.setdefault("LP_NUM_THREADS", "1")
    try:
        from engine_plugins.demo_game.raster import Rasteriser

        game = Rasteriser(WORLDS[args.world](args.seed), width, height)
    except ImportError:
        print("the demo game needs moderngl: pip install -e '.[games]'", file=sys.stderr)
        return 1
    except Exception as error:  # moderngl raises bare Exception when there is no EGL
        print(f"no off-screen OpenGL ({error}): install EGL and Mesa (Debian: apt-get install libegl1 "
              "libgl1-mesa-dri)", file=sys.stderr)
        return 1
    dt = 1 / (args.fps or 24.0)
    last_shot = -1

    def make_frame(index: int) -> Frame | None:
        nonlocal last_shot
        if args.frames and index >= args.frames:
            return None
        buffers = game.render(index * dt, dt)
        cut, last_shot = buffers.shot != last_shot, buffers.shot
        return to_frame(buffers, index, index * dt, dt, cut)

    return play(args.ring, args.fps, args.framelocked, make_frame)


if __name__ == "__main__":
    sys.exit(main())
