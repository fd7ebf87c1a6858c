"""The library that is loaded into games: where it is kept, and that nobody else's is taken for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine_plugins.opengl.launch import prepare
from engine_plugins.opengl.library import library
from tests.games import follow, gl_game, here, shared_cache, shown, started

__all__ = ["here"]
NOBODY = 65534
TEMPORARY = "/tmp", "/var/tmp"  # noqa: S108  mounted over, in a namespace of its own
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another user's files, a mount")


@pytest.fixture
def cache(here, monkeypatch) -> Iterator[Path]:
    """A cache folder of the test's own, without what may be found beside it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    before = set(elsewhere().glob("*"))
    elsewhere().mkdir(0o700, exist_ok=True)
    shutil.copy(compiled(), elsewhere())
    yield here / "cache"
    for new in set(elsewhere().glob("*")) - before:
        new.unlink()


def compiled() -> Path:
    """A library that other tests use, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(shared_cache()))
        return library()


def elsewhere() -> Path:
    """The last resort."""
    return Path(tempfile.gettempdir(), f"realmaster-{os.geteuid()}")


def ready(cache: Path) -> Path:
    """A sound library in the cache, without compiling it anew."""
    (cache / "realmaster").mkdir(0o700, parents=True)
    return Path(shutil.copy(compiled(), cache / "realmaster"))


@pytest.mark.parametrize("name", ["my games", "a:b", "a\tb"])
def test_a_path_that_ld_preload_cannot_hold_is_not_used(name, cache, monkeypatch, ring_name):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / name))
    (cache / name).mkdir(parents=True)
    game = gl_game(cache / name, "spiel für alle")
    with started([game, "frames", "20"], cache.parent, ring_name) as program:
        assert not {" ", ":", "\t"} & set(str(program.launch.library))
        follow(program, lambda p: p.over)
        assert shown(program)


@pytest.mark.parametrize("path", ["größe-♥", "$HOME", "a'b\"c"])
def test_any_other_path_holds_it(path, cache, monkeypatch, ring_name):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent / path))
    sound = ready(cache.parent / path)
    with started([gl_game(cache.parent), "frames", "20"], cache.parent, ring_name) as program:
        assert program.launch.library == sound
        follow(program, lambda p: p.over)
        assert shown(program)


def mounted(folder: Path, options: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=False)
    if done.returncode:
        pytest.skip("mounts nothing here")


@as_root
@pytest.mark.parametrize("options", ["noexec", "ro", "size=4k"])
def test_a_cache_that_cannot_hold_it_is_passed_over(options, cache, ring_name):
    mounted(cache, options)
    try:
        with started([gl_game(cache.parent), "frames", "20"], cache.parent, ring_name) as program:
            assert program.launch.library.parent == elsewhere()
            follow(program, lambda p: p.over)
            assert shown(program)
    finally:
        subprocess.run(["umount", str(cache)], check=True)


@as_root
def test_where_nothing_will_do_each_place_is_named(cache):
    """As on a machine that runs programs from nowhere but /usr."""
    mounts = "".join(f"mount -t tmpfs -o noexec none {folder} && " for folder in TEMPORARY)
    if subprocess.run(["unshare", "-m", "sh", "-c", f"{mounts} true"], capture_output=True, check=False).returncode:
        pytest.skip("mounts nothing here")
    ask = "from engine_plugins.opengl.library import library; library()"
    done = subprocess.run(["unshare", "-m", "sh", "-c", f"{mounts} exec {sys.executable} -c '{ask}'"], text=True,
                          capture_output=True, check=False, cwd=Path(__file__).parents[2],
                          env={**os.environ, "XDG_CACHE_HOME": "/dev/null/cache", "TMPDIR": TEMPORARY[0]})
    told = done.stderr.splitlines()[-1]
    assert "/dev/null/cache/realmaster (Not a directory)" in told and "let XDG_CACHE_HOME name a folder" in told
    assert f"{TEMPORARY[1]}/realmaster-{os.geteuid()} (is on a disk that is mounted noexec)" in told


@pytest.mark.parametrize("home", ["/proc/missing", "/dev/null", "", None])
def test_no_home_is_needed(home, cache, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    assert library().parent == elsewhere()


@pytest.mark.parametrize("what", ["emptied", "cut short", "tampered with", "a link", "a pipe", "writable by all",
                                  pytest.param("another user's", marks=as_root)])
def test_a_library_that_is_not_sound_is_not_loaded(what, cache):
    sound = ready(cache)
    data = sound.read_bytes()
    match what:
        case "emptied":
            sound.write_bytes(b"")
        case "cut short":
            sound.write_bytes(data[:5000])
        case "tampered with":
            sound.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "a link":
            sound.rename(cache / "other.so")
            sound.symlink_to(cache / "other.so")
        case "a pipe":
            sound.unlink()
            os.mkfifo(sound)
        case "writable by all":
            sound.chmod(0o666)
        case _:
            os.chown(sound, NOBODY, NOBODY)
    used = library()
    facts = used.lstat()
    assert used.read_bytes() == data and facts.st_uid == os.geteuid() and facts.st_mode & 0o777 == 0o600


@pytest.mark.parametrize("who", ["ours, open to all", pytest.param("another user's", marks=as_root)])
def test_a_folder_that_others_can_write_to(who, cache):
    """Ours is closed; somebody else's is passed over."""
    planted = ready(cache)
    folder = planted.parent
    (folder / planted.name.replace(planted.stem[-16:], "0" * 16)).write_bytes(b"planted")
    folder.chmod(0o777)
    if who == "another user's":
        os.chown(folder, NOBODY, NOBODY)
    used = library()
    assert used.read_bytes() != b"planted"
    assert used.parent == (elsewhere() if who == "another user's" else folder)
    assert used.parent.stat().st_mode & 0o777 == 0o700


def test_a_cache_that_all_users_share_is_passed_over(cache):
    """They could put another folder in place of ours, after it was checked."""
    ready(cache)
    cache.chmod(0o777)
    assert library().parent == elsewhere()
    cache.chmod(0o1777)
    assert library().parent == cache / "realmaster"


def test_umask_000_leaves_nothing_open(cache):
    before = os.umask(0)
    try:
        made = library()
    finally:
        os.umask(before)
    assert made.parent.stat().st_mode & 0o777 == 0o700 and made.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in made.parent.iterdir()] == [made.name], "nothing half made is left"


def test_what_the_user_loads_himself_is_kept(here, monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", "libone.so /two.so:libthree.so")
    given = prepare(["true"], "ring")
    assert given.environment["LD_PRELOAD"] == f"{given.library}:libone.so:/two.so:libthree.so"
