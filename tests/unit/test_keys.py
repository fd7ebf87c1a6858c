"""Key files belong to their owner alone, one that is bad keeps nobody else out, and what changes counts at once."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import zmq
import zmq.auth

from bridge.address import to_bind, to_connect
from bridge.errors import BridgeError
from bridge.keys import Friends, make_keys, open_door, secure_client

NOBODY = 65534


def public(path: Path) -> bytes:
    return zmq.auth.load_certificate(path)[0]


@pytest.fixture
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_secret_key_is_never_readable_by_others(tmp_path, no_umask, monkeypatch):
    """Not even while it is made, in a folder that all may read, with no umask."""
    opened: list[int] = []
    original = os.open
    monkeypatch.setattr(os, "open", lambda *a, **k: (fd := original(*a, **k), opened.append(
        stat.S_IMODE(os.fstat(fd).st_mode)))[0])
    tmp_path.chmod(0o755)
    _, secret = make_keys(tmp_path, "me")
    assert 0o600 in opened and all(mode in (0o600, 0o644) for mode in opened), "the mode at the moment of creation"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert zmq.auth.load_certificate(secret)[1] is not None, "as ZeroMQ's own tools read it"


@pytest.mark.parametrize("which", ["me.key", "me.key_secret"])
def test_a_link_in_the_way_is_not_followed_and_nothing_is_left(tmp_path, which):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / which).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BridgeError, match="exists already"):
        make_keys(tmp_path / "keys", "me")
    assert not (tmp_path / "elsewhere").exists()
    assert [p.name for p in (tmp_path / "keys").iterdir()] == [which]


@pytest.mark.parametrize("name", ["", "../me", "a/b", ".hidden", "x" * 80, "a\nb"])
def test_a_pair_has_a_plain_name(tmp_path, name):
    with pytest.raises(BridgeError, match="name the pair"):
        make_keys(tmp_path, name)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BridgeError, match="--folder"):
        make_keys(tmp_path / "file" / "keys", "me")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to be another user")
def test_a_read_only_folder_is_a_sentence(tmp_path):
    tmp_path.chmod(0o555)
    if (child := os.fork()) == 0:
        os.setuid(NOBODY)
        try:
            make_keys(tmp_path, "me")
        except BridgeError as error:
            os._exit(0 if "--folder" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_folder_that_others_may_write_to_is_warned_of(tmp_path, caplog):
    tmp_path.chmod(0o777)
    make_keys(tmp_path, "me")
    assert "chmod 700" in caplog.text


def test_bad_files_among_the_keys_keep_nobody_out(tmp_path, caplog):
    good, _ = make_keys(tmp_path / "friend", "friend")
    folder = tmp_path / "clients"
    folder.mkdir()
    (folder / "good.key").write_bytes(good.read_bytes())
    for name, text in (("empty", b""), ("noise", bytes(range(256)) * 64), ("cut", b"curve\n    public-key"),
                       ("short", b'public-key = "abc"'), ("zeros", b'public-key = "' + bytes(40) + b'"')):
        (folder / f"{name}.key").write_bytes(text)
    os.mkfifo(folder / "pipe.key")
    (folder / "folder.key").mkdir()
    (folder / "gone.key").symlink_to(tmp_path / "nowhere")
    friends = Friends(folder)
    assert public(good) in friends
    assert sum("skipped" in r.message for r in caplog.records) == 7, "each is told, and a link to nowhere is nothing"
    caplog.clear()
    assert not friends.refresh() and not caplog.records, "once"


def test_keys_that_come_and_go_count_at_once(tmp_path):
    folder = tmp_path / "clients"
    keys = [make_keys(tmp_path / str(i), "x")[0] for i in range(3)]
    folder.mkdir()
    (folder / "0.key").write_bytes(keys[0].read_bytes())
    friends = Friends(folder)
    (folder / "1.key").write_bytes(keys[1].read_bytes())
    assert friends.refresh() and public(keys[1]) in friends
    (folder / "0.key").write_bytes(keys[2].read_bytes())  # in place, of the same length
    assert friends.refresh() and public(keys[0]) not in friends and public(keys[2]) in friends
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert friends.refresh() and public(keys[1]) not in friends


def test_keys_given_by_half_are_refused(tmp_path):
    """Else the stream would go over the wire in the clear, without a word."""
    own, secret = make_keys(tmp_path / "me", "me")
    context = zmq.Context()
    local = to_bind("tcp://127.0.0.1:*")
    for half in ((secret, None), (None, own.parent)):
        with pytest.raises(BridgeError, match="belong together"):
            open_door(context, local, *half)
    socket = context.socket(zmq.DEALER)
    for half in ((secret, None), (None, own)):
        with pytest.raises(BridgeError, match="belong together"):
            secure_client(socket, to_connect("tcp://127.0.0.1:5"), *half)
    with pytest.raises(BridgeError, match="key_secret"):
        secure_client(socket, to_connect("tcp://127.0.0.1:5"), own, own)
    other = make_keys(tmp_path / "other", "other")[0]
    mixed = secret.read_text().replace(public(own).decode(), public(other).decode())
    secret.write_text(mixed)
    with pytest.raises(BridgeError, match="do not belong together"):
        secure_client(socket, to_connect("tcp://127.0.0.1:5"), secret, own)
    context.destroy(linger=0)
