"""Frames of 1280x720 with colour, depth and motion (9.2 MB) between two processes: our ring, and ZeroMQ tcp.

The ring's writer is the one in Python, and the one in C. All at full speed (frames a second) and at 60 a second (age
on arrival, in ms), in one run. The reader copies every frame out, as the capture layer does, and touches it.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import zmq

from benchmarks.common import child, machine, percentiles
from capture.errors import SourceEnded
from capture.frame import unpack
from capture.ring import RingReader

COMMON = """
import sys, time, zmq
import numpy as np
from capture.frame import Buffer, Encoding, Frame, Kind, pack_into, packed_size
H, W = 720, 1280
rng = np.random.default_rng(0)
buffers = {Kind.COLOR: Buffer(Encoding.RGBA8, rng.integers(0, 255, (H, W, 4), np.uint8)),
           Kind.DEPTH: Buffer(Encoding.INVERSE_Z, np.ones((H, W, 1), np.float16)),
           Kind.MOTION: Buffer(Encoding.PIXELS, np.ones((H, W, 2), np.float16))}
def frame(i): return Frame(i, time.monotonic_ns(), buffers)
def pace(send, fps, seconds):
    start = due = time.monotonic()
    i = 0
    while time.monotonic() - start < seconds:
        send(i)
        i += 1
        if fps:
            due = max(due + 1 / fps, time.monotonic() - 1 / fps)
            time.sleep(max(0, due - time.monotonic()))
"""
RING = COMMON + """
from capture.ring import RingWriter
writer = RingWriter(sys.argv[1], packed_size(frame(0)), framelocked=sys.argv[2] == "0")
print("ready", flush=True)
while not writer.reader_alive(): time.sleep(0.01)
pace(lambda i: writer.publish(frame(i)), float(sys.argv[2]), float(sys.argv[3]))
writer.close()
"""
NATIVE = COMMON + """
import tempfile
from pathlib import Path
from engine_plugins.native.binding import NativeWriter, build, load
with tempfile.TemporaryDirectory() as folder:
    lib = load(build(Path(folder)))
writer = NativeWriter(lib, sys.argv[1], packed_size(frame(0)), framelocked=sys.argv[2] == "0")
print("ready", flush=True)
writer.publish(frame(0))
while not lib.rm_wanted(writer.ring): time.sleep(0.01)
pace(lambda i: writer.publish(frame(i)), float(sys.argv[2]), float(sys.argv[3]))
writer.close()
"""
TCP = COMMON + """
socket = zmq.Context().socket(zmq.PUSH)
socket.set_hwm(2)
port = socket.bind_to_random_port("tcp://127.0.0.1")
print(port, flush=True)
data = bytearray(packed_size(frame(0)))
def send(i):
    pack_into(frame(i), memoryview(data))
    socket.send(data)
pace(send, float(sys.argv[2]), float(sys.argv[3]))
socket.send(b"")
"""


def ring(writer: str, fps: float, seconds: float) -> tuple[float, list[float]]:
    """Frames a second and ages in ms, over the ring with this writer."""
    name = f"bench-{time.monotonic_ns()}"
    game = child(writer, name, str(fps), str(seconds))
    assert game.stdout is not None
    game.stdout.readline()
    reader, ages = RingReader(name), []
    started = time.monotonic()
    try:
        while True:
            if reader.wait(1.0):
                frame, _ = reader.read(newest=False)
                ages.append((time.monotonic_ns() - frame.t_capture_ns) / 1e6)
                reader.acknowledge()
    except SourceEnded:
        pass
    rate = len(ages) / (time.monotonic() - started)
    reader.close()
    game.wait()
    return rate, ages


def tcp(fps: float, seconds: float) -> tuple[float, list[float]]:
    """The yardstick: the same frames over plain ZeroMQ tcp."""
    game = child(TCP, "-", str(fps), str(seconds))
    assert game.stdout is not None
    port = game.stdout.readline().strip()
    socket, ages = zmq.Context.instance().socket(zmq.PULL), []
    socket.set_hwm(2)
    socket.connect(f"tcp://127.0.0.1:{port}")
    started = time.monotonic()
    while len(data := socket.recv(copy=False).buffer):
        frame = unpack(data)
        ages.append((time.monotonic_ns() - frame.t_capture_ns) / 1e6)
    rate = len(ages) / (time.monotonic() - started)
    socket.close()
    game.wait()
    return rate, ages


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each of the six runs")
    seconds = parser.parse_args().seconds
    print(machine())
    rates = {}
    for name, run in (("ring", partial(ring, RING)), ("ring from C", partial(ring, NATIVE)), ("ZeroMQ tcp", tcp)):
        rates[name], full = run(0, seconds)
        _, paced = run(60, seconds)
        print(f"{name:<11} full speed {rates[name]:6.0f} frames/s, age {percentiles(full)} ms | "
              f"at 60 fps: age {percentiles(paced)} ms")
    print(f"ring / tcp: {rates['ring'] / rates['ZeroMQ tcp']:.2f}")


if __name__ == "__main__":
    main()
