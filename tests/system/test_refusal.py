"""Online games and games with an anti-cheat are refused, whatever starts them, and the library leaves them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from capture.errors import CaptureError
from engine_plugins.opengl.refusal import WORDS, refuse, why_refused
from realmaster.errors import UserError
from tests.games import PATIENCE, c_program, follow, gl_game, here, script, shown, started

__all__ = ["here"]
ONLINE = "csgo_linux64"
FORKS = """
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **words) {
    if (count < 2) return 1;
    if (fork() == 0) execv(words[1], words + 1);
    wait(NULL);
    return 0;
}
"""
PYTHON = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"


def hidden(folder: Path, game: Path, way: str) -> list[str]:
    """A command that starts the game, and does not show it to the launcher."""
    (folder / "path").write_text(str(game))
    read = '"$(cat path)"'
    match way:
        case "env":
            return ["env", "sh", "-c", f"exec env A=1 {read} frames 200"]
        case "nice":
            return ["sh", "-c", f"nice {read} frames 200; true"]
        case "bash -lc":
            return ["bash", "-lc", f"exec {read} frames 200"]
        case "wrapper":
            return [str(script(folder / "start game.sh", f"cd /\nexec '{game}' frames 200"))]
        case "symlink":
            (folder / "racer").symlink_to(game)
            return [str(script(folder / "go", "./racer frames 200"))]
        case "copy beside it":
            shutil.copy(game, game.with_name("racer"))
            return [str(script(folder / "go", f"'{game.parent}/racer' frames 200"))]
        case "loader":
            return ["sh", "-c", f"/lib64/ld-linux-x86-64.so.2 {read} frames 200"]
        case "launcher that forks":
            return ["sh", "-c", f"{c_program(folder, 'launcher', FORKS)} {read} frames 200"]
        case "python":
            return [sys.executable, "-c", PYTHON.replace("sys.argv[1]", "open('path').read()").replace(
                "sys.argv[1:]", "['game', 'frames', '200']")]
        case _:
            (folder / "real").mkdir()
            shutil.copy(game, folder / "real" / "engine")
            return [sys.executable, "-c", f"import os; os.execv('real/engine', ['{ONLINE}', 'frames', '200'])"]


@pytest.mark.parametrize("way", ["env", "nice", "bash -lc", "wrapper", "symlink", "copy beside it", "loader",
                                 "launcher that forks", "python", "its own name for itself"])
def test_an_online_game_is_refused_however_it_is_started(way, here, ring_name):
    command = hidden(here, gl_game(here / "a game ♥", ONLINE), way)
    with (pytest.raises(UserError, match=f"{ONLINE} is played online: loading a library"),
          started(command, here, ring_name) as program):
        follow(program, lambda p: p.over)
    left = [path.read_text() for path in (here / "gl_game.seen", Path("/gl_game.seen")) if path.exists()]
    assert "library" not in "".join(left), "it drew without the library, if it came to that at all"
    Path("/gl_game.seen").unlink(missing_ok=True)


@pytest.mark.parametrize("place", [".", "bin", "bin/linux64"])
@pytest.mark.parametrize("guard", ["EasyAntiCheat", "BEClient_x64.so"])
def test_an_anti_cheat_in_the_games_folder_is_found_from_inside(place, guard, here, ring_name):
    gl_game(here / "title" / place)
    (here / "title" / guard).mkdir()
    go = script(here / "go", f"exec 'title/{place}/game' frames 200")
    with pytest.raises(UserError, match="game has an anti-cheat"), started([go], here, ring_name) as program:
        follow(program, lambda p: p.over)


@pytest.mark.parametrize("when", ["linked", "later"])
def test_an_anti_cheat_that_is_loaded_from_elsewhere_is_found(when, here, ring_name):
    """At the start, and where a game opens it while it runs: then nothing more is taken from the game."""
    (here / "lib").mkdir()
    guard = here / "lib" / "libeasyanticheat_x64.so"
    shutil.copy(c_program(here, "guard", "int guard(void) { return 1; }", "-shared", "-fPIC"), guard)
    guard.chmod(0o644)
    game = gl_game(here / "title")
    if when == "linked":
        game = c_program(here / "title", "tied", "int guard(void); int main(void) { return !guard(); }",
                         "-Wl,-rpath," + str(guard.parent), str(guard))
    with (pytest.raises(UserError, match=r"libeasyanticheat_x64\.so has an anti-cheat \(easyanticheat\)"),
          started([game, "load", guard], here, ring_name) as program):
        follow(program, lambda p: p.over)


def test_what_only_sounds_like_an_online_game_is_captured(here, ring_name):
    """A world of that name, a folder, a neighbour in a folder that many programs share."""
    (here / "rust").mkdir()
    game = gl_game(here / "games")
    script(here / "games" / "wow", "")
    (here / "games" / "faceit-client").touch()
    with started([game, "frames", "20", "--world", "rust", "--name", "cs2"], here, ring_name) as program:
        follow(program, lambda p: p.over)
        assert shown(program)


@pytest.mark.parametrize(("command", "why"), [
    (["env", "A=1", "title/csgo"], "csgo is played online"), (["nice", "title/csgo.sh"], "csgo.sh is played online"),
    (["sh", "-c", "cd title; exec 'title/csgo' -novid"], "csgo is played online"),
    (["wine", "C:\\Games\\RustClient.exe"], "RustClient.exe is played online"),
    (["wine", "guarded/some.exe"], "some.exe has an anti-cheat"), (["title/alias"], "csgo is played online"),
    (["title/game", "--world", "title/rust"], ""), (["sh", "-c", "echo 'unfinished"], ""), (["/usr/bin/env"], "")])
def test_the_launcher_looks_at_all_of_a_command(command, why, here):
    for name in ("csgo", "csgo.sh", "game"):
        script(here / "title" / name, f"echo {name}")
    (here / "title" / "alias").symlink_to("csgo")
    (here / "title" / "rust").mkdir()
    (here / "guarded" / "EasyAntiCheat").mkdir(parents=True)
    (here / "guarded" / "some.exe").touch()
    if why:
        with pytest.raises(CaptureError, match=why.replace("(", r"\(")):
            refuse(command)
    else:
        refuse(command)


def test_launcher_and_library_judge_alike(here, ring_name):
    """One list, read by both."""
    assert {"cs2", "rustclient"} <= WORDS["PROGRAM"] and "battleye" in WORDS["GUARD"]
    for number, name in enumerate(sorted(WORDS["PROGRAM"])):
        game = here / str(number) / f"{name.upper()}.x86_64"
        game.parent.mkdir()
        shutil.copy("/bin/true", game)
        assert why_refused(game) == f"{game.name} is played online"
    with started(["sh", "-c", "for game in */*.x86_*; do $game; done"], here, ring_name) as program:
        program.guardian.wait(PATIENCE)
    said = program.report_path.read_text()
    assert said.count(" is played online") == len(WORDS["PROGRAM"])


def test_the_command_ends_with_the_reason(here, ring_name):
    gl_game(here / "title", ONLINE)
    go = script(here / "go", f"exec title/{ONLINE}")
    done = subprocess.run([sys.executable, "-m", "realmaster", "capture-game", "--server", "none", "--port", "0",
                           "--ring", ring_name, "--", str(go)], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, timeout=60)
    assert done.returncode == 1 and f"{ONLINE} is played online" in done.stderr and "Traceback" not in done.stderr
    seen = here / "gl_game.seen"
    assert not seen.exists() or not seen.read_text()
