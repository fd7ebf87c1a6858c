"""No wait without an end: whoever waits for a thread, a queue or a process says for how long."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.unit.test_supervise import PACKAGES, ROOT

WAITS = {"join", "wait", "get", "acquire", "result", "communicate"}
LIMITS = {"timeout", "block", "blocking"}
BOUND_ELSEWHERE = {
    ("capture/recording/saver.py", "self._queue.get()"): "the saver's own thread, which has nothing else to do",
    ("realmaster/stream/link.py", "future.result()"): "offline: the window being decoded ends, or raises",
    ("realmaster/pairs/make.py", "job.result()"): "offline: the pool raises when its process dies",
    ("realmaster/outputs/page/server.py", "self._fresh.wait()"): "inside asyncio.wait_for",
    ("engine_plugins/native/binding.py", "subprocess.run"): "the C compiler, started by hand",
}


def unbounded(path: Path) -> list[tuple[str, str]]:
    """Calls in a file that may wait for ever, as (file, call)."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        limited = LIMITS & {keyword.arg for keyword in node.keywords}
        name, whole = node.func.attr, ast.unparse(node.func)
        if not limited and ((name in WAITS and not node.args) or (name == "put" and len(node.args) == 1)):
            found.append((path.relative_to(ROOT).as_posix(), ast.unparse(node)))
        if not limited and whole in {"subprocess.run", "subprocess.check_output", "subprocess.call"}:
            found.append((path.relative_to(ROOT).as_posix(), whole))
    return found


def test_every_wait_has_a_limit_or_says_what_bounds_it():
    found = [call for package in PACKAGES for path in (ROOT / package).rglob("*.py") for call in unbounded(path)]
    assert not [call for call in found if call not in BOUND_ELSEWHERE]
    assert not set(BOUND_ELSEWHERE) - set(found), "these are gone: take them off the list"


def test_the_search_finds_what_it_looks_for(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.unit.test_waits.ROOT", tmp_path)
    (tmp_path / "x.py").write_text("t.join()\nq.get()\nq.put(1)\np.wait()\ne.wait(1)\nq.get(timeout=2)\n', '.join(x)\n"
                                   "d.get('k')\nsubprocess.run(['x'])\nf.result()\nq.put(1, timeout=1)\n")
    assert [call for _, call in unbounded(tmp_path / "x.py")] == [
        "t.join()", "q.get()", "q.put(1)", "p.wait()", "subprocess.run", "f.result()"]
