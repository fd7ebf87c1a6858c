"""What wakes the server's loop: from any thread, without a socket of ZeroMQ's, which belong to one thread each."""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import zmq

from bridge.renderer import Bell

ROOT = Path(__file__).parents[2]
RINGERS, RINGS = 8, 10_000


def test_the_last_ring_is_heard_however_many_threads_ring():
    """What was done before a ring is seen by the loop that it wakes, so nothing is left when all have rung."""
    bell, done, seen = Bell(), [0] * RINGERS, 0
    poller = zmq.Poller()
    poller.register(bell, zmq.POLLIN)

    def work(number: int) -> None:
        for _ in range(RINGS):
            done[number] += 1
            bell.ring()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(RINGERS)]
    for thread in threads:
        thread.start()
    while seen < RINGERS * RINGS:
        assert poller.poll(30_000), "a ring was not heard"
        bell.clear()
        seen = sum(done)
    for thread in threads:
        thread.join()
    bell.close()
    bell.ring()


def test_who_starts_threads_has_no_socket_of_zeromqs():
    for path in (ROOT / "bridge").glob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        starts = any(isinstance(node, ast.Call) and ast.unparse(node.func) == "Worker" for node in ast.walk(tree))
        assert not (starts and "zmq" in imported), path.name
