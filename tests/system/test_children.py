"""What a session starts: followed through launchers, told of when it gives nothing, ended with all that it started."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from capture.ring import ring_path
from realmaster.errors import UserError
from realmaster.launch.children import Children, Module
from realmaster.launch.guardian import descendants
from realmaster.launch.program import Program
from realmaster.stream.stats import Stats
from tests.games import PATIENCE, c_program, follow, gl_game, here, lives, script, shown, silent, started

__all__ = ["here"]
NOBODY = 65534
ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline


LAUNCHERS = {
    "a script that ends": "./go & exit 0", "a script that waits": "./go; exit", "two scripts": "sh -c './go &' &",
    "a daemon": "setsid -f ./go >/dev/null </dev/null 2>&1", "one that closes its files": "./go bare &",
    "a shell of its own": "bash -lc 'cd \"my game\" && exec ../go' &"}


@pytest.mark.parametrize("way", LAUNCHERS)
def test_a_game_is_followed_when_its_launcher_ends(way, here, ring_name):
    """To its end, of which is told how it came."""
    script(here / "go", f"exec '{gl_game(here / 'my game')}' frames 100 crash $*")
    script(here / "launcher", LAUNCHERS[way])
    with (pytest.raises(UserError, match="launcher was ended by SIGSEGV"),
          started(["./launcher"], here, ring_name) as program):
        follow(program, shown)
        assert not program.over
        follow(program, lambda p: p.over)
    assert not any(lives(pid) for pid in program.report.shown)
    assert not ring_path(ring_name).exists(), "a crashed game's ring is removed"


WINDOWS = {"waits": "./window frames 20; ./go; exit", "ends": "./window frames 20; ./go & exit 0",
           "becomes the game": "./window frames 20; exec ./go"}


@pytest.mark.parametrize("way", WINDOWS)
def test_a_launcher_may_have_a_window_of_its_own(way, here, ring_name):
    """It draws with OpenGL and closes its ring, before the game has shown anything. Every frame handed over is read.

    The last two pictures of each are still on their way from the graphics card when it ends.
    """
    gl_game(here, "window")
    script(here / "go", f"exec '{gl_game(here / 'my game')}' after 3000 frames 50")
    script(here / "launcher", WINDOWS[way])
    done = subprocess.run([sys.executable, "-m", "realmaster", "capture-game", "--server", "none", "--port", "0",
                           "--pacing", "framelocked", "--ring", ring_name, "--", "./launcher"], capture_output=True,
                          text=True, timeout=PATIENCE, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done
    assert re.search("^read 66 frames.*dropped: 66 rendering is off$", done.stdout, re.MULTILINE), done


def test_what_a_launcher_leaves_behind_is_given_a_while(here, ring_name, monkeypatch):
    monkeypatch.setattr("realmaster.launch.program.FOLLOWED_SECONDS", 1.0)
    with (pytest.raises(UserError, match="has ended without having shown a picture with OpenGL"),
          started(["sh", "-c", "sleep 600 & exit 0"], here, ring_name) as program):
        follow(program, lambda p: p.over)


@pytest.mark.parametrize("wrapper", ["mangohud", "gamemoderun", "env A=1", "nice -n 1", "stdbuf -oL", "timeout 60"])
def test_wrappers_are_no_hindrance(wrapper, here, ring_name):
    """Some load a library of their own, which stays."""
    if shutil.which(wrapper.split()[0]) is None:
        pytest.skip(f"needs {wrapper}")
    game = gl_game(here / "spiel für alle")
    with started([*wrapper.split(), game, "frames", "30"], here, ring_name) as program:
        follow(program, lambda p: p.over)
        assert shown(program)


@pytest.mark.parametrize("way", ["deaf", "stopped", "in the background", "in a session of its own"])
def test_nothing_is_left_running_at_the_end(way, here, ring_name):
    command = {"deaf": "exec ./game deaf", "stopped": "exec ./game", "in the background": "./game & ./game",
               "in a session of its own": "setsid -f ./game deaf; ./game"}[way]
    gl_game(here)
    with started([script(here / "go", command)], here, ring_name) as program:
        follow(program, shown)
        left = descendants(program.guardian.pid)
        assert left
        if way == "stopped":
            os.kill(program.report.first, signal.SIGSTOP)
    assert not any(lives(pid) for pid in left) and not ring_path(ring_name).exists()


@pytest.mark.parametrize("way", ["the session", "the guardian", "both"])
def test_a_kill_leaves_neither_game_nor_ring_nor_folder(way, here, ring_name, monkeypatch):
    """Of whatever is killed. If nobody is left, the next session does it."""
    monkeypatch.setenv("TMPDIR", str(here))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    gl_game(here)
    command = [sys.executable, "-m", "realmaster", "capture-game", "--server", "none", "--port", "0",
               "--ring", ring_name]
    session = subprocess.Popen([*command, "--", str(script(here / "go", "setsid -f ./game deaf; ./game; true"))],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: any("swap" in report.read_text() for report in here.glob("realmaster-*/report")))
    games = descendants(session.pid)
    [guardian] = [pid for pid in games if b"guardian.py" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    if way == "both":
        session.send_signal(signal.SIGSTOP)
    if way in ("the guardian", "both"):
        os.kill(guardian, signal.SIGKILL)
    if way in ("the session", "both"):
        session.kill()
    out, _ = session.communicate(timeout=PATIENCE)
    if way == "the guardian":
        assert "was ended by SIGKILL" in out
    if way == "both":
        subprocess.run([*command, "--", "true"], check=False, capture_output=True, timeout=PATIENCE)
    until(lambda: not any(lives(pid) for pid in games))
    until(lambda: not ring_path(ring_name).exists() and not list(here.glob("realmaster-*")))


STATIC = "#include <unistd.h>\nint main(void) { sleep(60); return 0; }"
PAUSES = '__attribute__((force_align_arg_pointer)) void _start(void) { __asm__ volatile("int $0x80" : : "a"(29)); }'
OPENS = '#include <dlfcn.h>\n#include <unistd.h>\nint main(void) { dlopen("%s", 2); sleep(60); return 0; }'


def silences(folder: Path, why: str) -> tuple[list[str], str]:
    """A command that gives no picture, and what is said of it."""
    match why:
        case "32 bit":
            return [str(c_program(folder, "old", PAUSES, "-m32", "-nostdlib", "-static"))], "old is a 32-bit program"
        case "static":
            return ["sh", "-c", f"{c_program(folder, 'one', STATIC, '-static')}; true"], "one is linked statically"
        case "env -i":
            return ["env", "-i", "sleep", "60"], "the library is not in sleep: what starts it has cleared LD_PRELOAD"
        case "setuid":
            other = c_program(folder, "suid", STATIC)
            os.chown(other, NOBODY, NOBODY)
            other.chmod(0o4755)
            return [str(other)], "suid runs with more rights than its user's (setuid)"
        case "sandbox":
            return ["bwrap", "--dev-bind", "/", "/", "--clearenv", "sleep", "60"], "bwrap starts the game in a sandbox"
        case "no window":
            return ["nice", "sleep", "60"], "sleep has not opened a window yet"
        case "vulkan" | "X11" | "OpenGL":
            name = {"vulkan": "libvulkan.so.1", "X11": "libX11.so.6", "OpenGL": "libEGL.so.1"}[why]
            library = c_program(folder, "empty", "int empty;", "-shared", "-fPIC").rename(folder / name)
            told = {"vulkan": "draws with Vulkan", "X11": "draws its window without OpenGL",
                    "OpenGL": "has loaded OpenGL, but has shown no picture"}
            return [str(c_program(folder, "player", OPENS % library, "-ldl"))], f"player {told[why]}"
        case "no room":
            return ["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size=64k none /dev/shm && {gl_game(folder)}"
                    ], "unshare is not captured: no room for the ring in /dev/shm"
    raise AssertionError(why)


@pytest.mark.parametrize("why", ["32 bit", "static", "setuid", "env -i", "sandbox", "no window", "vulkan", "X11",
                                 "OpenGL", "no room"])
def test_why_no_picture_comes_is_said(why, here, ring_name, monkeypatch, caplog):
    monkeypatch.setattr("realmaster.launch.program.LOADING_SECONDS", 0.5)
    monkeypatch.setattr("realmaster.launch.program.EXAMINE_SECONDS", 0.5)
    if why == "setuid" and os.geteuid() != 0:
        pytest.skip("needs root: another user's program")
    command, told = silences(here, why)
    needs = {"no room": ["unshare", "-m", "true"], "sandbox": [*command[:-2], "true"]}.get(why, ["true"])
    if shutil.which(needs[0]) is None or subprocess.run(needs, check=False).returncode:
        pytest.skip(f"does not run here: {needs}")
    with started(command, here, ring_name) as program:
        follow(program, lambda p: told in silent(p))
        assert told in caplog.text, "in the terminal, too"


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="needs xvfb-run (Debian: apt-get install xvfb)")
@pytest.mark.parametrize(("program", "told"), [("xeyes", "xeyes draws its window without OpenGL"),
                                               ("vkcube", "vkcube draws with Vulkan"), ("glxgears", "")])
def test_real_programs_on_a_display_of_their_own(program, told, here, ring_name, monkeypatch):
    if shutil.which(program) is None:
        pytest.skip(f"needs {program} (Debian: x11-apps, vulkan-tools, mesa-utils)")
    monkeypatch.setenv("LIBGL_ALWAYS_SOFTWARE", "1")
    monkeypatch.delenv("EGL_PLATFORM")
    with started(["xvfb-run", "-a", program], here, ring_name) as game:
        follow(game, (lambda p: told in silent(p)) if told else shown)


NO_DISPLAY = "Error: couldn't open display (null)"


@pytest.mark.parametrize(("code", "told"), [
    ("echo one; echo '\033[31mtwo\033[0m'; exit 3", "stopped with status 3 .*:\n  one\n  two$"),
    ("kill -SEGV $$", "was ended by SIGSEGV .*: it said nothing$"),
    ("sh -c 'kill -ABRT $$'; exit", "was ended by SIGABRT"),
    (f'echo "{NO_DISPLAY}"; exit 255', "stopped with status 255 .*:\n.*\n.*There is no display.*xvfb-run"),
    ("exit 0", "has ended without having shown a picture with OpenGL")])
def test_how_a_game_ended_is_said_with_its_last_words(code, told, here, ring_name):
    with pytest.raises(UserError) as error, started([script(here / "go", code)], here, ring_name) as program:
        follow(program, lambda p: p.over)
    assert re.search(told, str(error.value)), str(error.value)


def test_a_game_that_cannot_be_started_is_said(here, ring_name):
    script(here / "bare", "").write_text("no first line\n")
    with (pytest.raises(UserError, match="bare cannot be started: Exec format error"),
          started(["./bare"], here, ring_name) as program):
        follow(program, lambda p: p.over)


def test_a_game_that_talks_without_end_fills_no_disk(here, ring_name, monkeypatch):
    monkeypatch.setattr("realmaster.launch.child_output.MOST_BYTES", 100_000)
    with started(["yes", "so it goes"], here, ring_name) as program:
        follow(program, lambda p: (p.words.folder / "game.3.log").exists())
        follow(program, lambda p: p.words.quote() == ["so it goes"] * 6)
        assert len(list(program.words.folder.glob("game.*"))) == 1 + 3


def test_a_crashed_childs_log_is_kept_when_it_is_started_again(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("realmaster.launch.children.STEADY_SECONDS", 0.0)
    child = Module("server", ["tests.quiet", "reading weights, 1 of 2"], tmp_path)
    try:
        for _ in range(5):
            until(child.words.quote)
            os.kill(child.process.pid, signal.SIGKILL)
            until(lambda: child.process.poll() is not None)
            child.check()
        assert "the server was ended by SIGKILL; starting it again: reading weights" in caplog.text
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "server.1.log", "server.2.log", "server.3.log", "server.log"]
        assert "reading weights" in (tmp_path / "server.1.log").read_text()
    finally:
        child.stop()


def test_a_child_that_gives_nothing_has_its_own_words_shown(tmp_path, monkeypatch):
    """While a model is loaded, and until it has answered once; afterwards the connection knows better."""
    monkeypatch.setattr("realmaster.launch.children.QUIET_SECONDS", 0.0)
    monkeypatch.chdir(ROOT)
    children = Children(tmp_path)
    try:
        children.module("server", ["tests.quiet", "reading weights, 1 of 2"])
        stats = Stats(server="no server answers at ipc:///x")
        starting = re.compile(r"the server is starting \(\d+ s\): reading weights, 1 of 2")
        until(lambda: starting.fullmatch(children.explain(stats)))
        stats.server = "the server is loading its model"
        assert re.match(r"the server is loading its model \(\d+ s\): reading", children.explain(stats))
        stats.child = children.explain(stats)
        assert stats.child in str(stats.snapshot(0.0)["source"]) and stats.child in stats.line(0.0)
        stats.server = ""
        assert not children.explain(stats)
    finally:
        children.stop()


def test_signals_for_the_session_do_not_reach_the_game(here, ring_name):
    """Ctrl-C goes to all of a terminal's programs: the game is ended in order, by us."""
    gl_game(here)
    with started(["./game"], here, ring_name) as program:
        follow(program, shown)
        assert isinstance(program, Program)
        ours = os.getsid(0)
        assert all(os.getsid(pid) != ours for pid in (program.guardian.pid, *program.report.shown))
