"""Settings: one declaration for flags, TOML and logs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from realmaster.config import Live, Look, Render, as_toml, from_toml
from realmaster.errors import UserError
from realmaster.progress import Progress, duration


def realmaster(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "realmaster", *arguments], capture_output=True, text=True, timeout=60,
                          check=False)


def test_settings_survive_the_round_trip_through_toml(tmp_path: Path):
    settings = Live(game="vizdoom", max_fps=12.5, region="64x48+0+0", video=Path("a.mp4"), look=Look(steps=3))
    path = tmp_path / "live.toml"
    path.write_text(as_toml(settings))
    assert from_toml(path, Live) == settings
    assert from_toml(path, Live).look.steps == 3


@pytest.mark.parametrize(("text", "words"), [
    ("max_fsp = 3", "max_fsp"), ("max_fps = 'fast'", "max_fps"), ("game = 'chess'", "chess"), ("= 3", "toml")])
def test_wrong_settings_are_named(tmp_path: Path, text: str, words: str):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        from_toml(path, Live)


def test_the_command_line_wins_over_the_file(tmp_path: Path):
    path = tmp_path / "r.toml"
    path.write_text('input = "from-file.mp4"\noutput = "o.mp4"\n')
    assert from_toml(path, Render).input == Path("from-file.mp4")
    done = realmaster("render", "--config", str(path), "--output", str(tmp_path / "x.mkv"))
    assert done.returncode == 1 and "from-file.mp4" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["live", "serve", "render", "doctor", "keys", "pairs", "train", "export", "eval"])
def test_every_command_explains_itself(command: str):
    done = realmaster(command, "--help")
    assert done.returncode == 0
    assert "usage: realmaster" in done.stdout and "options" in done.stdout


@pytest.mark.parametrize(("arguments", "words"), [
    (["render", "none.mp4", "-o", "x.mp4"], "no such video"),
    (["serve", "--bind", "tcp://0.0.0.0:0"], "realmaster keys"),
    (["serve", "--bind", "ipc:///tmp/rm-test-serve", "--model", "grand"], "unknown model"),
    (["live", "--game", "none", "--port", "0"], "--ring"),
    (["live", "--source", "video", "--port", "0"], "--video"),
    (["live", "--host", "0.0.0.0", "--port", "0"], "loopback"),
    (["live", "--config", "none.toml"], "none.toml"),
])
def test_mistakes_get_one_sentence_and_no_traceback(arguments: list[str], words: str):
    done = realmaster(*arguments)
    assert done.returncode == 1
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr + done.stdout


def test_progress_says_how_long_it_will_take(capsys):
    clock = iter([0.0, *[float(i) for i in range(1, 11)]])
    progress = Progress("work", 10, "frames", clock=lambda: next(clock))
    for _ in range(10):
        progress.step()
    lines = capsys.readouterr().err.splitlines()
    assert "1/10 frames, 1.00 a second, 0:09 left" in lines[0] and "0:00 left" in lines[-1]
    assert duration(3675) == "1:01:15"


def test_live_offers_every_world():
    from engine_plugins.demo_game.worlds import WORLDS

    assert set(get_args(get_type_hints(Live)["world"])) == set(WORLDS)


def test_a_command_of_two_words_takes_a_file_too(tmp_path: Path):
    path = tmp_path / "pairs.toml"
    path.write_text('preset = "nonsense"\n')
    done = realmaster("pairs", "render", "--config", str(path))
    assert done.returncode == 1 and "nonsense" in done.stderr and "Traceback" not in done.stderr
    path.write_text("workers = 0\n")
    done = realmaster("pairs", "render", "--config", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 1 and "--workers must be 1 or more" in done.stderr
