"""What capturing costs a game: its frames a second alone, with the plugin while nobody reads, and while somebody does.

`python -m benchmarks.capture` runs every game that is installed, each way three times in turn, and prints the medians
and ratios; then what it costs to read each buffer back. OpenGL games run under Xvfb with a software renderer; their
frame rate is Mesa's own count (GALLIUM_HUD), OpenArena's that of its timedemo. Run it on an idle machine.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import moderngl

from benchmarks.common import child, machine
from engine_plugins.opengl.launch import prepare
from engine_plugins.opengl.library import library
from tests.foreign import FOREIGN, environment

RUNS = 3
WAYS = "alone", "nobody reads", "read"
READER = """
import sys
from capture.engine import EngineSource
from capture.errors import SourceEnded
source = EngineSource(sys.argv[1], patience=60)
try:
    while True: source.read(1)
except SourceEnded: pass
"""
LOOP = """
import sys, time
way, ring, frames = sys.argv[1], sys.argv[2], int(sys.argv[3])
{setup}
if way == "read":
    print("ready", flush=True)
    step(0)
    while not reading(): time.sleep(0.01); step(0)
for i in range(20): step(i)
started = time.perf_counter()
for i in range(20, frames): step(i)
print("rate", (frames - 20) / (time.perf_counter() - started), flush=True)
"""
PYTHON = """
from capture.frame import packed_size
from capture.ring import RingWriter
writer = None
def reading(): return writer.reader_alive()
def step(i):
    global writer
    frame = draw(i)
    if way == "alone": return
    if writer is None: writer = RingWriter(ring, packed_size(frame))
    if writer.wanted(): writer.publish(frame)
"""
DEMO = LOOP.format(setup="""
import os
os.environ["LP_NUM_THREADS"] = "1"
from engine_plugins.demo_game.frames import to_frame
from engine_plugins.demo_game.raster import Rasteriser
from engine_plugins.demo_game.worlds import WORLDS
game = Rasteriser(WORLDS["street"](3), 640, 360)
def draw(i): return to_frame(game.render(i / 24, 1 / 24), i, i / 24, 1 / 24, cut=False)
""" + PYTHON)
DOOM = LOOP.format(setup="""
from engine_plugins.vizdoom_game import Doom
game = Doom(7, False)
draw = game.frame
""" + PYTHON)
PANDA = LOOP.format(setup="""
from direct.showbase.ShowBase import ShowBase
from panda3d.core import load_prc_file_data
load_prc_file_data("", "load-display p3headlessgl\\nwindow-type offscreen\\naudio-library-name null\\n"
                       "win-size 640 360\\nsync-video false\\nnotify-level-display error\\ngl-version 3 3\\n"
                       "gl-finish true\\n")  # else a software renderer skips frames that nobody looks at
base = ShowBase()
from engine_plugins.panda3d_game import build_world
from engine_plugins.panda3d_plugin import RealMaster
move = build_world(base)
plugin = None if way == "alone" else RealMaster(base, ring)
def reading(): return plugin.writer is not None and plugin.writer.reader_alive()
def step(i):
    move(i / 24)
    base.taskMgr.step()
""")
IN_PYTHON = {"demo game": (DEMO, 150), "ViZDoom": (DOOM, 400), "Panda3D plugin": (PANDA, 300)}
Rate = Callable[[str], float]


def in_python(code: str, frames: int) -> Rate:
    """A game that is a loop in Python."""
    def rate(way: str) -> float:
        ring = f"bench-{time.monotonic_ns()}"
        game = child(code, way, ring, str(frames))
        assert game.stdout is not None
        reader = None
        if way == "read":
            line = game.stdout.readline()
            while line.strip() != "ready":  # what libraries print
                line = game.stdout.readline()
            reader = child(READER, ring)
        out = game.stdout.read()
        game.wait()
        if reader is not None:
            reader.kill()
            reader.wait()
        return float(re.findall(r"rate ([\d.]+)", out)[-1])  # libraries print, too
    return rate


@contextmanager
def display() -> Iterator[str]:
    """A display of our own."""
    read, write = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x720x24", "-nolisten", "tcp"],
                              pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            yield f":{pipe.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


def unmodified(name: str, screen: str) -> Rate:
    """An OpenGL game: Mesa's frames a second in the ten seconds after the first ten."""
    def rate(way: str) -> float:
        with tempfile.TemporaryDirectory() as text:
            folder, ring = Path(text), f"bench-{time.monotonic_ns()}"
            command = FOREIGN[name].command(folder)
            timedemo = command[0] == "openarena"
            if timedemo:
                command[1:1] = ["+set", "timedemo", "1", "+set", "com_maxfps", "0", "+set", "nextdemo", "quit"]
            more = {} if timedemo else {"GALLIUM_HUD": "fps", "GALLIUM_HUD_VISIBLE": "false", "GALLIUM_HUD_PERIOD": "1",
                                        "GALLIUM_HUD_DUMP_DIR": text}
            if way != "alone":
                os.environ["PATH"] = environment(folder, screen)["PATH"]
                more |= prepare(command, ring).environment
            game = subprocess.Popen(command, cwd=folder, env={**environment(folder, screen), **more}, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
            reader = child(READER, ring) if way == "read" else None
            out = _output(game, None if timedemo else 20.0)
            if reader is not None:
                reader.kill()
                reader.wait()
            if timedemo:
                return float(re.findall(r"([\d.]+) fps", out)[-1])
            return statistics.median([float(line) for line in (folder / "fps").read_text().split()][10:])
    return rate


def _output(game: subprocess.Popen[str], seconds: float | None) -> str:
    """What it says in so many seconds, or until it ends."""
    try:
        return game.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        os.killpg(game.pid, 9)
        return game.communicate()[0]


def table(name: str, rate: Rate) -> None:
    """Prints a game's line; the ways take turns, since machines are noisy."""
    rates = [[rate(way) for way in WAYS] for _ in range(RUNS)]
    alone, idle, read = (statistics.median(column) for column in zip(*rates, strict=True))
    print(f"{name:20} {alone:8.1f} {idle:8.1f} ({idle / alone:.3f}) {read:8.1f} ({read / alone:.3f})", flush=True)


STUB = "void glDrawArrays(unsigned mode, int at, int count) { (void)mode; (void)at; (void)count; }"
CALLS = """
#include <stdio.h>
#include <time.h>
void glDrawArrays(unsigned, int, int);
int main(void) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 100000000; i++) glDrawArrays(4, 0, i);
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%f", ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / 1e8);
}
"""


def call() -> None:
    """Prints what a call of OpenGL costs more while nobody reads: games' frame rates are too noisy to show it."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for name, code, flags in (("libGL.so.1", STUB, ["-shared", "-fPIC"]),
                                  ("game", CALLS, [f"-L{text}", "-l:libGL.so.1", f"-Wl,-rpath,{text}"])):
            (folder / f"{name}.c").write_text(code)
            subprocess.run(["cc", "-O2", "-o", name, f"{name}.c", *flags], cwd=folder, check=True)
        surroundings = [{**os.environ, **more} for more in ({}, {"LD_PRELOAD": str(library())})]
        times = [float(subprocess.check_output([str(folder / "game")], env=env)) for env in surroundings]
    print(f"a call of OpenGL: {times[0]:.1f} ns alone, {times[1]:.1f} ns with the library while nobody reads; "
          f"a thousand calls a frame: {(times[1] - times[0]) / 1e3:.4f} ms")


def readback() -> None:
    """Prints milliseconds to read each kind of buffer back from this machine's OpenGL."""
    gl = moderngl.create_standalone_context(backend="egl")
    sizes = (640, 360), (1280, 720)
    print(f"{'readback, ms':40} " + "  ".join(f"{w}x{h}" for w, h in sizes))
    for name, channels, dtype in (("colour, RGBA8", 4, "f1"), ("normals, or motion and depth, RGBA16F", 4, "f2"),
                                  ("object ids, R32UI", 1, "u4"), ("depth, as floats", 0, "f4")):
        times: list[float] = []
        for size in sizes:
            picture = gl.texture(size, channels or 4, dtype=dtype if channels else "f1")
            drawn = gl.framebuffer([picture], gl.depth_texture(size))
            drawn.clear()
            attachment = 0 if channels else -1
            times.append(_time(lambda d=drawn, a=attachment, c=channels, t=dtype: d.read(
                components=c or 1, attachment=a, dtype=t)))
        print(f"  {name:38} " + "  ".join(f"{t:7.2f}" for t in times))


def _time(run: Callable[[], object]) -> float:
    taken: list[float] = []
    for _ in range(30):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e3


def main() -> None:
    """Prints both tables, for the games that are named or all."""
    chosen = sys.argv[1:]
    print(f"{machine()}\n{'frames a second':20} {'alone':>8} {'nobody reads':>16} {'read':>16}")
    for name, (code, frames) in IN_PYTHON.items():
        if not chosen or name in chosen:
            table(name, in_python(code, frames))
    with display() as screen:
        for name, game in FOREIGN.items():
            program = game.command(Path(tempfile.mkdtemp()))[0]
            there = shutil.which(program, path=f"{os.environ['PATH']}:/usr/games")
            if there and name != "etr" and (not chosen or name in chosen):  # etr would show its menu
                table(name, unmodified(name, screen))
    call()
    readback()


if __name__ == "__main__":
    main()
