"""Settings: one declaration for flags, TOML and logs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from realmaster.config import Live, Look, Render
from realmaster.errors import UserError
from realmaster.progress import Progress
from realmaster.settings import as_toml, checked, from_toml


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


def test_progress_in_a_file_is_a_line_at_the_start_and_at_the_end(capsys):
    progress = Progress("work", 10, "frames")
    for _ in range(10):
        progress.step(note="loss 1")
    progress.close()
    lines = capsys.readouterr().err.split("\n")
    assert lines[-1] == "" and all("\r" not in line for line in lines)
    assert lines[0].startswith("work: 0/10 frames")
    assert lines[-2].startswith("work: 10/10 frames") and "00:00 left" in lines[-2] and "loss 1" in lines[-2]


def test_progress_in_a_file_is_never_silent_for_long(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    progress = Progress("work", 3000, "steps")
    for _ in range(100):
        now[0] += 1
        progress.step()
    done = [line.split()[1] for line in capsys.readouterr().err.splitlines()]
    assert done == ["0/3000", "30/3000", "60/3000", "90/3000"]


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
    assert done.returncode == 1 and "workers must be at least 1" in done.stderr


@pytest.mark.parametrize(("arguments", "words"), [
    ("live --max-fps -3", "--max-fps must be at least 0.1"), ("live --max-fps nan", "--max-fps must be at least 0.1"),
    ("live --port 99999", "--port must be at most 65535"), ("doctor --port -1", "--port must be at least 0"),
    ("serve --threads 0", "--threads must be at least 1"), ("live --strength 3", "--strength must be at most 1"),
    ("render a.mp4 -o b.mp4 --steps 0", "--steps must be at least 1"), ("live --overlap 6", "such as 5"),
    ("live --keep 1 --only 2", "--keep and --only exclude each other"),
    ("play x --start inf", "--start must be at most"),
    ("live --replay-mb 0", "--replay-mb must be at least 1"), ("live --host foo", "--host foo is not an address"),
    ("train --reference-scale 0", "--reference-scale must be at least 1"),
    ("models --resolution 0 0", "--resolution must be at least 16"),
    ("export --width 100", "--width must be a multiple of 16"), ("eval --steps 0", "--steps must be at least 1"),
    ("pairs export x -o y --frames 0", "--frames must be at least 1"), ("live --seed -1", "--seed must be at least 0"),
    ("live --config=none.toml", "none.toml"), ("live --config", "--config takes a file"),
    ("lvie", "did you mean `realmaster live`?"), ("zzz", "there are live"),
])
def test_values_are_checked_before_anything_starts(arguments: str, words: str):
    done = realmaster(*arguments.split())
    assert done.returncode == 1 and words in done.stderr.splitlines()[-1], done.stderr
    assert "Traceback" not in done.stderr and not done.stdout


def test_a_file_s_values_are_checked_as_the_flags_are(tmp_path: Path):
    path = tmp_path / "bad.toml"
    for text, words in (("port = 99999", "port must be at most 65535"), ("[look]\nkeep = [1]\nonly = [2]", "exclude"),
                        ("[model]\noverlap = 6", "such as 5"), ("buffers = ['colour']", "colour"),
                        ("x = " + "[" * 5000, "nested"), ("log_json = 3", "log_json")):
        path.write_text(text)
        with pytest.raises(UserError, match=words):
            from_toml(path, Live)


def test_a_tilde_is_the_home_folder_wherever_a_path_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "live.toml"
    path.write_text('log_json = "~/log"\n[model]\nmodel = "~/m"\nlora = ["~/l:0.5", "b"]\n'
                    'tiny_vae = "~/v"\n')
    settings = from_toml(path, Live)
    assert settings.log_json == tmp_path / "log"
    assert settings.model.model == f"{tmp_path}/m" and settings.model.lora == (f"{tmp_path}/l:0.5", "b")
    assert settings.model.tiny_vae == tmp_path / "v"
    assert checked(Render(input=Path("~/a.mp4"), output=Path("~/b.mp4"))).output == tmp_path / "b.mp4"
    path.write_text('log_json = "~nobody-of-that-name/log"')
    with pytest.raises(UserError, match="no such home folder"):
        from_toml(path, Live)


def test_names_that_are_not_utf8_are_told_not_tripped_over(tmp_path: Path):
    name = os.fsdecode(b"caf\xe9.mp4")
    done = realmaster("render", str(tmp_path / name), "-o", str(tmp_path / "o.mp4"))
    assert done.returncode == 1 and "Traceback" not in done.stderr and "no such video" in done.stderr
    assert r"caf\udce9.mp4" in done.stderr
    assert r"caf\\xe9.mp4" in as_toml(Live(video=Path(name)))
    done = realmaster("live", "--model", str(tmp_path / name))
    assert done.returncode == 1 and "rename it" in done.stderr and "Traceback" not in done.stderr


def test_too_many_open_files_end_in_one_sentence():
    command = f"ulimit -n 10; exec {sys.executable} -m realmaster live --seconds 1 --port 0"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "ulimit -n" in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_a_reader_that_stops_reading_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-m", "realmaster", "--help"], stdout=writing, stderr=subprocess.PIPE,
                          text=True, timeout=60, check=False)
    os.close(writing)
    assert done.returncode == 141 and not done.stderr


def test_the_version_is_told():
    assert re.fullmatch(r"realmaster \d+\.\d+\.\d+", realmaster("--version").stdout.strip())


def test_no_address_is_printed_before_the_arguments_are_checked(tmp_path: Path):
    for arguments in (["live", "--source", "video", "--video", str(tmp_path / "none.mp4")],
                      ["play", str(tmp_path / "none")],
                      ["live", "--server", "nonsense", "--game", "none", "--ring", "x"]):
        done = realmaster(*arguments, "--port", "0")
        assert done.returncode == 1 and "http://" not in done.stdout, done.stdout
