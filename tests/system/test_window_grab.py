"""One window is grabbed, and it alone: whatever it is called, wherever it goes, whatever lies over or replaces it."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from capture.errors import CaptureError
from capture.frame import Flags, Frame
from capture.screen import RegionGrab, ScreenSource, window_grab
from tests.conftest import x_server
from tests.windows import Bare, sdl_window

RED, BLUE, GREY = 0xFF0000, 0x0000FF, 0x808080
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def screen(xvfb: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DISPLAY", xvfb)
    return xvfb


def opened(title: str) -> ScreenSource:
    """The source of a window that may still be on its way."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ScreenSource(window_grab(title), rate=200)
        except CaptureError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def until(source: ScreenSource, good: Callable[[Frame], bool]) -> list[Frame]:
    """Frames up to the first good one."""
    frames: list[Frame] = []
    deadline = time.monotonic() + PATIENCE
    while not frames or not good(frames[-1]):
        assert time.monotonic() < deadline, (source.trouble, len(frames))
        if (frame := source.read(0.1)) is not None:
            frames.append(frame)
    return frames


def until_trouble(source: ScreenSource) -> str:
    deadline = time.monotonic() + PATIENCE
    while not source.trouble:
        assert time.monotonic() < deadline
        source.read(0.02)
    assert source.read(0.1) is None, "not what lies there now"
    return source.trouble


def green(frame: Frame, value: int) -> bool:
    """Whether all of it is of the window that has this green, and of no other."""
    return bool((frame.rgb[..., :2] == (10, value)).all())


def test_an_sdl2_window_is_followed_wherever_it_goes():
    pytest.importorskip("pygame", reason="needs pip install pygame-ce")
    title = "Nevērball: Tést"
    with sdl_window(title, 90) as game, closing(opened("nevērball")) as source:
        assert until(source, lambda f: green(f, 90))[0].flags & Flags.RESET
        bare = Bare(GREY, (0, 0, 1, 1))
        window = bare.server.create_resource_object("window", source.grab.found.id)
        mail = Bare(RED, (0, 0, 800, 600), override_redirect=True).show("private mail")  # covers everything
        assert all(green(f, 90) for f in until(source, lambda _: True))
        window.configure(x=300, y=250)
        bare.server.sync()
        seen = [frame for _ in range(10) for frame in until(source, lambda _: True)]
        assert all(green(f, 90) and f.size == (320, 200) for f in seen), "moved, covered, and still itself"
        assert not any(f.flags & Flags.RESET for f in seen)
        window.configure(width=400, height=300)
        bare.server.sync()
        frames = until(source, lambda f: f.size == (400, 300) and green(f, 90))
        assert any(f.flags & Flags.RESET and f.size == (400, 300) for f in frames)
        window.unmap()
        bare.server.sync()
        assert "minimised or hidden" in until_trouble(source)
        window.map()
        bare.server.sync()
        assert until(source, lambda f: green(f, 90))[0].flags & Flags.RESET
        game.kill()
        assert "was closed" in until_trouble(source)
        with sdl_window(title, 120, (200, 100)):
            frames = until(source, lambda f: green(f, 120))
            assert frames[0].flags & Flags.RESET and frames[-1].size == (200, 100)
        mail.close()
        bare.close()


def test_hidden_and_small_helpers_of_the_same_name_are_not_taken():
    with closing(Bare(RED, (0, 0, 10, 10)).show("helped")), closing(Bare(RED, (0, 0, 500, 400))) as hidden:
        hidden.call("_NET_WM_NAME", "UTF8_STRING", b"helped")
        with pytest.raises(CaptureError, match="show the game's window first"):
            window_grab("helped")
        with (closing(Bare(BLUE, (50, 50, 120, 90)).show("a helped game")),
              closing(ScreenSource(window_grab("helped"))) as source):
            frame = source.read(1)
            assert frame is not None and frame.size == (120, 90) and (frame.rgb == (0, 0, 255)).all(), "and no border"


TITLES = {
    "UTF-8": ("_NET_WM_NAME", "UTF8_STRING", "Größe Ωmega 游戏".encode(), "ωMEGA 游戏"),
    "UTF-8 in the old property": ("WM_NAME", "UTF8_STRING", "Größe".encode(), "größe"),
    "Latin-1": ("WM_NAME", "STRING", "Größe".encode("latin-1"), "größe"),
    "UTF-8 that claims to be Latin-1": ("WM_NAME", "STRING", "Größe".encode(), "größe"),
    "compound text": ("WM_NAME", "COMPOUND_TEXT", b"Tux \x1b$(B%2!<%`\x1b-F\xe1\x1b-A\xe9", "tux ゲームαé"),
    "compound text in UTF-8": ("WM_NAME", "COMPOUND_TEXT", "\x1b%GゲームX\x1b%@".encode(), "ゲームx"),
    "a type of its own": ("WM_NAME", "TEXT", b"plain", "plain"),
    "letters of patterns": ("_NET_WM_NAME", "UTF8_STRING", b"[C++] (demo) *.? \\d+$", "[c++] (demo) *.? \\d+$"),
    "no encoding at all": ("_NET_WM_NAME", "UTF8_STRING", b"broken \xff\xfe name", "broken \udcff\udcfe"),
    "decomposed accents": ("_NET_WM_NAME", "UTF8_STRING", "Cafe\u0301".encode(), "caf\u00e9"),
    "a class alone": ("WM_CLASS", "STRING", b"instance\0SuperGame\0", "supergame"),
    "a title without an end": ("_NET_WM_NAME", "UTF8_STRING", b"endless " * 20_000, "endless end"),
}


@pytest.mark.parametrize("name", TITLES)
def test_titles_are_read_in_any_encoding(name):
    field, kind, value, asked = TITLES[name]
    with closing(Bare(BLUE, (10, 10, 64, 48))) as window:
        window.call(field, kind, value)
        window.show()
        with closing(window_grab(asked)) as grab:
            assert grab.found.id == window.window.id


def test_what_a_terminal_would_obey_is_not_printed():
    with (closing(Bare(BLUE, (10, 10, 64, 48)).show("evil \x1b]0;pwned\x07 \n name")),
          pytest.raises(CaptureError) as told):
        window_grab("nothing of the kind \udcff")
    assert str(told.value).isprintable() and "evil" in str(told.value)


def test_of_several_the_largest_is_taken_and_the_others_are_told(caplog):
    with (closing(Bare(BLUE, (0, 0, 100, 80)).show("level one")),
          closing(Bare(RED, (0, 0, 200, 160)).show("level two")), caplog.at_level(logging.WARNING)):
        with closing(window_grab("level")) as grab:
            assert grab.found.width == 200
        (line,) = caplog.messages
        assert "2 windows match" in line and "'level one' (100x80, 0x" in line
        with closing(window_grab(re.findall("0x[0-9a-f]+", line)[-1])) as grab:
            assert grab.found.width == 100


@pytest.mark.parametrize("title", ["", "  "])
def test_no_title_is_not_the_whole_screen(title):
    with pytest.raises(CaptureError, match="say which window"):
        window_grab(title)


def test_a_title_that_changes_is_still_the_same_window():
    with closing(Bare(BLUE, (0, 0, 100, 80)).show("loading")) as window, closing(opened("loading")) as source:
        window.call("_NET_WM_NAME", "UTF8_STRING", b"Level 1")
        with closing(Bare(RED, (0, 0, 300, 200)).show("loading")):
            assert (until(source, lambda _: True)[0].rgb == (0, 0, 255)).all()


def test_another_programs_window_does_not_take_a_closed_ones_place():
    with closing(Bare(RED, (0, 0, 300, 200))) as mail:
        mail.call("WM_CLASS", "STRING", b"mail\0Mail\0")
        game = Bare(BLUE, (0, 0, 100, 80))
        game.call("WM_CLASS", "STRING", b"game\0Game\0")
        with closing(opened_when_shown(game, "same words")) as source:
            mail.show("same words")
            game.close()
            assert "was closed" in until_trouble(source)
            end = time.monotonic() + 1.5  # past the next look for a successor
            while time.monotonic() < end:
                assert source.read(0.1) is None


def opened_when_shown(window: Bare, title: str) -> ScreenSource:
    window.show(title)
    return ScreenSource(window_grab(title), rate=200)


def test_windows_that_are_destroyed_while_they_are_grabbed():
    """Over and over, at any moment: never an error, never another's colour."""
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            with closing(Bare(BLUE, (0, 0, 100, 80)).show("fleeting")), closing(Bare(RED, (0, 0, 100, 80)).show("x")):
                stop.wait(0.01)

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(12):
            try:
                grab = window_grab("fleeting")
            except CaptureError:
                continue
            with closing(grab):
                while not grab.trouble:
                    picture = grab.picture()
                    assert picture is None or (picture == (0, 0, 255)).all()
    finally:
        stop.set()
        thread.join()


@contextmanager
def managed(manager: str, tmp_path: object) -> Iterator[str]:
    """A display with a window manager."""
    if shutil.which(manager) is None:
        pytest.skip(f"needs {manager} (Debian: apt-get install {manager})")
    with x_server() as name:
        running = subprocess.Popen([manager], env={**os.environ, "DISPLAY": name, "HOME": str(tmp_path)},
                                   stderr=subprocess.DEVNULL, cwd=str(tmp_path))
        try:
            yield name
        finally:
            running.kill()
            running.wait()


def test_under_a_window_manager_the_frame_is_left_out_and_minimising_told(tmp_path, monkeypatch):
    pytest.importorskip("pygame", reason="needs pip install pygame-ce")
    if shutil.which("xdotool") is None:
        pytest.skip("needs xdotool")
    with managed("openbox", tmp_path) as name:
        monkeypatch.setenv("DISPLAY", name)
        with sdl_window("managed game", 70) as game, closing(opened("managed game")) as source:
            assert until(source, lambda f: green(f, 70))[-1].size == (320, 200)
            with closing(Bare(RED, (0, 0, 700, 500)).show("over it")):
                assert all(green(f, 70) for _ in range(5) for f in until(source, lambda _: True))
            number = str(source.grab.found.id)
            subprocess.run(["xdotool", "windowminimize", number], check=True)
            assert "minimised" in until_trouble(source)
            subprocess.run(["xdotool", "windowactivate", number], check=True)
            assert until(source, lambda f: green(f, 70))[0].flags & Flags.RESET
            game.kill()
            assert "was closed" in until_trouble(source)


def test_without_composite_it_is_refused_and_not_the_screen_taken(monkeypatch):
    with x_server("-extension", "Composite") as name:
        monkeypatch.setenv("DISPLAY", name)
        with closing(Bare(BLUE, (0, 0, 100, 80)).show("plain")), pytest.raises(CaptureError, match="--region"):
            window_grab("plain")


def test_a_server_that_dies_is_told(monkeypatch):
    with x_server() as name:
        monkeypatch.setenv("DISPLAY", name)
        window = Bare(BLUE, (0, 0, 100, 80)).show("doomed")
        grab = window_grab("doomed")
        assert grab.picture() is not None
    with pytest.raises(CaptureError, match="X server is gone"):
        while True:
            grab.picture()
    grab.close()
    with pytest.raises(CaptureError, match="set DISPLAY"):
        window_grab("doomed")
    del window


def test_a_screen_that_changes_its_size_is_followed(monkeypatch):
    if shutil.which("xrandr") is None:
        pytest.skip("needs xrandr (Debian: apt-get install x11-xserver-utils)")
    with x_server() as name:
        monkeypatch.setenv("DISPLAY", name)
        with closing(ScreenSource(RegionGrab(), rate=60)) as source:
            assert until(source, lambda _: True)[0].size == (800, 600)
            for words in ("--newmode small 0 640 0 0 0 480 0 0 0", "--addmode screen small",
                          "--output screen --mode small"):
                subprocess.run(["xrandr", *words.split()], check=True)
            frames = until(source, lambda f: f.size == (640, 480))
            assert frames[-1].flags & Flags.RESET
