"""The folder of a session: short enough for sockets, ours alone, and never left behind for long."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import zmq

from realmaster.errors import UserError
from realmaster.launch.session_folder import session_folder

LONG = "a-very-long-name-for-a-folder" * 4


@pytest.mark.parametrize("name", ["short", "with a space", "größe", LONG, "missing/one", "a file"])
def test_a_socket_can_be_bound_in_it_wherever_temporary_files_are(name, tmp_path, monkeypatch):
    base = tmp_path / name
    if name == "a file":
        base.touch()
    elif "missing" not in name:
        base.mkdir()
    monkeypatch.setenv("TMPDIR", str(base))
    with session_folder() as folder, zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.bind(f"ipc://{folder}/server")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert (folder.parent == base) == (len(str(base)) <= 80 and base.is_dir())
    assert not folder.exists()


def test_what_a_killed_session_left_is_removed_and_what_lives_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    ring = tmp_path / "realmaster-left.ring"
    ring.touch()
    left = tmp_path / "realmaster-left"
    left.mkdir()
    for name in ("lock", "game.log"):
        (left / name).touch()
    replaced = tmp_path / "realmaster-replaced.ring"
    replaced.touch()
    (left / "report").write_text(f"ring 1 {ring.stat().st_ino} {ring}\nring 1 12345 {replaced}\nring\nring 1 x\n\n")
    (tmp_path / "realmaster-of somebody else").mkdir()
    (tmp_path / "realmaster-link").symlink_to(tmp_path)
    with session_folder() as first, session_folder() as second:
        assert first.is_dir() and second.is_dir(), "the second leaves the first alone"
        assert not left.exists() and not ring.exists()
        assert replaced.exists(), "another game's by now"
    assert {path.name for path in tmp_path.iterdir()} == {
        "realmaster-replaced.ring", "realmaster-of somebody else", "realmaster-link"}


def test_nowhere_to_put_it_is_said(monkeypatch):
    monkeypatch.setattr("realmaster.launch.session_folder._bases", lambda: [Path("/proc"), Path("/dev/null")])
    with pytest.raises(UserError, match="set TMPDIR to a folder that you can write to"), session_folder():
        pass


def test_umask_000_opens_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = os.umask(0)
    try:
        with session_folder() as folder:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        os.umask(before)
