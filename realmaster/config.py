"""The settings of the commands that run the product, declared once: command line, TOML file and session log.

What pairs, training and evaluation can be told is in the `settings` module of each.

A TOML file given with `--config` holds the same names as the flags (`max_fps = 20`, and
`[look]` and `[model]` tables); unknown names are refused. What is given on the command line wins.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
import tyro

from bridge.contract import MAX_PROMPT
from capture.source import Pacing
from realmaster.settings import Frames, ObjectId, Port, Seconds, Seed, Settings, Side, Steps, Threads, home, printable

TINY = Path(__file__).parent / "weights" / "tiny"
BufferName = Literal["color", "scene_color", "depth", "motion", "normal", "object_id"]


class Model(Settings, frozen=True):
    """Which model renders, and how."""

    model: str = "tiny"
    """`tiny`, the model that comes with RealMaster, a folder with one in the same layout, or a folder with a large
    model in diffusers' layout (see docs/MODELS.md). Only large models have the options after `overlap`; those marked
    experimental have never run with real weights of such a model, nor on a GPU."""
    backend: Literal["onnx", "torch"] = "onnx"
    """For tiny: `onnx` runs exported graphs and needs no torch; `torch` is the reference they are held to."""
    threads: Threads = 2
    """CPU threads for the model."""
    overlap: Frames = 5
    """Frames that each window repeats of the one before; one more than a multiple of 4 (8 for LTX)."""
    resolution: tuple[Side, Side] = (832, 480)
    """Width and height in pixels that a large model renders at."""
    length: Frames = 33
    """Frames in a window of a large model: a multiple of 4, or 8 for LTX, plus 1."""
    lora: tuple[str, ...] = ()
    """LoRAs for a large model, FILE or FILE:WEIGHT; its folder's lora.safetensors if none is given."""
    lora_mode: Literal["merged", "live"] = "merged"
    """Experimental. merged: LoRAs are added to the weights, and cost nothing; live: they stay beside them in their own
    precision, which is exact where 16 or 8 bits would round them away, and a little slower."""
    attention: Literal["auto", "full", "one_way"] = "auto"
    """How a LoRA that does not say so was trained; `auto` takes its word."""
    reference_strength: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Experimental. How closely a LoRA of attention mode full follows the game; below 1 it takes the game's frames for
    noisy ones."""
    sigmas: tuple[Annotated[float, msgspec.Meta(gt=0, le=1)], ...] = ()
    """Experimental. Noise levels of a distilled model, from 1 down, one for each step; then `steps` says nothing."""
    anchor: Path | None = None
    """Experimental. A photoreal picture of the first frame, for a large model: the video goes on from it, and every
    window from the last one's picture."""
    tiny_vae: Path | None = None
    """Experimental. TAEHV weights (.safetensors) to use in place of the model's own autoencoder: much faster, a little
    softer."""
    streaming_vae: bool = False
    """Experimental. Keep what the autoencoder remembers from window to window, and encode and decode each frame once:
    for Wan's, and any --tiny-vae. Takes memory (see docs/MODELS.md); what windows share is then continued, not
    blended."""
    guidance: Annotated[float, msgspec.Meta(ge=0, le=100)] = 1.0
    """Experimental. Classifier-free guidance; 1 is off, and twice as fast."""
    precision: Literal["auto", "fp32", "bf16", "int8", "fp8"] = "auto"
    """Experimental. Of a large model's weights; auto is bf16 on a GPU. int8 halves their memory; fp8 is faster too (RTX
    40, H100)."""
    kernels: str = "native"
    """Experimental. Of a large model's attention, by diffusers' names: native, flash, _flash_3, sage, xformers, ...
    Each but the first needs its package."""
    compile: bool = False
    """Experimental. Compile a large model with torch.compile: minutes at the start, faster afterwards."""
    low_memory: bool = False
    """Experimental. Keep a large model's weights in main memory, bring each layer to the GPU as it works, decode in
    tiles: slower."""

    def __post_init__(self) -> None:
        if self.overlap % 4 != 1:
            raise ValueError(f"--overlap {self.overlap} fits no model: give one more than a multiple of 4, such as "
                             f"{self.overlap - (self.overlap - 1) % 4}")
        if (odd := next((name for name in (self.model, *self.lora) if printable(name) != name), None)) is not None:
            raise ValueError(f"{printable(odd)}: rename it, since settings are written as UTF-8 and this name is not")
        if self.model.startswith("~"):
            msgspec.structs.force_setattr(self, "model", str(home(self.model)))
        if any(name.startswith("~") for name in self.lora):
            msgspec.structs.force_setattr(self, "lora", tuple(str(home(name)) for name in self.lora))


class Look(Settings, frozen=True):
    """What the picture is like. In `live` the page can change it while it runs."""

    strength: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """0 shows the game's frame, 1 the model's."""
    steps: Steps = 1
    """Denoising steps: 1 is fastest and closest to the truth on average, more add detail."""
    prompt: Annotated[str, msgspec.Meta(max_length=MAX_PROMPT)] = ""
    """What the picture shows, in words, for a large model."""
    guides: bool = False
    """Read the game's normals and depth too, for a large model that was trained with `--guides`."""
    seed: Seed = 0
    """Seed of the noise; the same seed, windows and settings give the same frames."""
    keep: tuple[ObjectId, ...] = ()
    """Ids of objects that stay as the game drew them, for sources that give object ids (0 is the static world)."""
    only: tuple[ObjectId, ...] = ()
    """Ids of the only objects to turn photoreal; everything else stays as the game drew it."""

    def __post_init__(self) -> None:
        if self.keep and self.only:
            raise ValueError("--keep and --only exclude each other: give one of the two")


class _View(Settings, frozen=True):
    """What `live`, `record` and `play` share."""

    server: str = "auto"
    """`auto` starts one here; `none` renders nothing; else its address, such as tcp://gpu-box:5555."""
    key: Path | None = None
    """Your secret key file, for a server on another machine (see `realmaster keys`)."""
    server_key: Path | None = None
    """The server's public key file."""
    max_fps: Annotated[float, msgspec.Meta(ge=0.1, le=1000)] = 24.0
    """Frames a second to render, at most; fewer are when the server cannot keep up."""
    host: str = "127.0.0.1"
    """Loopback address of the page."""
    port: Port = 8188
    """Port of the page and its /metrics; 0 for any free one."""
    seconds: Seconds = 0.0
    """Stop after so many seconds; 0 runs until Ctrl-C."""
    log_json: Path | None = None
    """Append the status to this file, a line of JSON every second, and one at the end."""
    look: Annotated[Look, tyro.conf.arg(name="")] = msgspec.field(default_factory=Look)
    model: Annotated[Model, tyro.conf.arg(name="")] = msgspec.field(default_factory=Model)


class Watching(_View, frozen=True):
    """What `live`, `record` and `capture-game` share."""

    pacing: Pacing = Pacing.FREERUN
    """freerun: newest frame wins; genlocked: every frame while the reader keeps up; framelocked: the game waits."""
    sessions: Path = Path("sessions")
    """Folder for what the page records and saves."""
    buffers: tuple[BufferName, ...] = ("color",)
    """What to record of what the game gives. Each buffer costs CPU time and disk."""
    replay_seconds: Seconds = 30.0
    """How much to remember for "save the last seconds"; 0 remembers nothing."""
    replay_mb: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 256
    """Memory for that, in MiB; when it is full the oldest frames give way early."""

    @property
    def origin(self) -> str:
        """Where the frames come from, for a recording's papers."""
        raise NotImplementedError


class Live(Watching, frozen=True):
    """Show a running game and its photoreal version, side by side, in the browser.

    Without further flags this starts the demo game and a model server, and prints the address of the
    page. Ctrl-C stops all of it. `--source screen --window TITLE` takes any window, `--game vizdoom`
    another game, `--game none --ring NAME` a game that runs already, `--server` a server elsewhere.
    The page can record, and save the last seconds.
    """

    source: Literal["engine", "screen", "video"] = "engine"
    """`engine`: a game that publishes its buffers; `screen`: a window or region; `video`: a file, played live."""
    game: Literal["demo", "vizdoom", "none"] = "demo"
    """The game to start for `--source engine`; `none` attaches to a running one, now or when it comes."""
    world: Literal["street", "square", "country", "room"] = "street"
    """What the demo game shows."""
    ring: str = ""
    """Name of the game's ring; needed with `--game none`."""
    window: str | None = None
    """For `--source screen`: part of the window's title, or its id, 0x... (X11)."""
    region: str | None = None
    """For `--source screen`: WIDTHxHEIGHT+LEFT+TOP in pixels; the whole screen if neither is given."""
    video: Path | None = None
    """For `--source video`: the file."""

    @property
    def origin(self) -> str:
        """See `Watching.origin`."""
        return self.source if self.source != "engine" else f"engine:{self.ring or self.game}"


class Record(Live, frozen=True):
    """Record a game, with every buffer it gives, and its photoreal version as it was shown.

    All of `live`'s flags hold. `--pacing framelocked` loses nothing, but the game waits for the recorder and
    the server; otherwise what is lost is counted and written down. `--server none` records without rendering.
    A recording that was cut short is mended by `realmaster recover`.
    """

    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder to record to; a new one in --sessions, named by the time, if it is not given."""
    pacing: Pacing = Pacing.GENLOCKED
    """genlocked: every frame while the recorder keeps up; framelocked: the game waits; freerun: newest frame wins."""
    buffers: tuple[BufferName, ...] = get_args(BufferName)
    """What to record of what the game gives. Each buffer costs CPU time and disk."""
    replay_seconds: Seconds = 0.0
    """How much to remember for "save the last seconds"; 0 remembers nothing."""


class CaptureGame(Watching, frozen=True, kw_only=True):
    """Start an OpenGL game that knows nothing of RealMaster, and show it beside its photoreal version.

    For example `realmaster capture-game -- minetest --go`. Linux only. A library that is loaded into the game, and into
    nothing else, takes its picture with and without interface, its depth and its camera. It is compiled at the first
    use, which needs a C compiler. Online games and games with an anti-cheat are refused: do not try to get round that.
    """

    command: tyro.conf.Positional[tuple[str, ...]]
    """The game and its arguments, after `--`."""
    ring: str = ""
    """Name of the ring that it publishes, for `realmaster check-plugin` and others; the game's own if not given."""
    profile: Path | None = None
    """What to know about this game; see engine_plugins/opengl/profiles. Those there are found by the game's name."""

    @property
    def name(self) -> str:
        """The ring's."""
        return self.ring or re.sub(r"[^A-Za-z0-9_-]", "-", Path(*self.command[:1]).name)[:64]

    @property
    def origin(self) -> str:
        """See `Watching.origin`."""
        return f"engine:{self.name}"


class Play(_View, frozen=True, kw_only=True):
    """Play a recorded session through the page, as it was shown; the page can seek in it.

    It begins when somebody looks at the page, and stays at its last frame until Ctrl-C.
    """

    server: str = "recorded"
    """`recorded` shows the photoreal pictures that were recorded, and renders anew only where there are none; `auto`
    starts a server here that renders anew; `none` shows the game alone; else the address of a server."""
    session: tyro.conf.Positional[Path]
    """The session's folder."""
    start: Seconds = 0.0
    """Seconds into the session to start at."""
    stop: Seconds = 0.0
    """Seconds into the session to stop at; 0 is its end."""


class Recover(Settings, frozen=True):
    """Mend a recording that was cut short: keep every frame of which all buffers are there.

    The exit status is 0 if nothing was lost, 3 if frames were (it says how many), 1 if nothing is left.
    """

    session: tyro.conf.Positional[Path]
    """The session's folder, with or without .part."""


class Serve(Settings, frozen=True):
    """Run the model server that `live` and `render` talk to.

    On loopback and ipc no keys are needed. Any other address is refused without CURVE keys: make a
    pair on each machine with `realmaster keys`, and copy the public halves across.
    """

    bind: str = "tcp://127.0.0.1:5555"
    """Where to listen: tcp://HOST:PORT or ipc://PATH."""
    key: Path | None = None
    """This server's secret key file."""
    clients: Path | None = None
    """Folder with the public key files of the clients that may connect."""
    model: Annotated[Model, tyro.conf.arg(name="")] = msgspec.field(default_factory=Model)


class Render(Settings, frozen=True):
    """Turn a video file or a recorded session photoreal, offline: every frame, in order, none dropped.

    The same windows, seed and settings give the same frames that `live` shows. A render that was
    killed goes on where it was when the same command is given again, with the same result.
    """

    input: tyro.conf.Positional[Path]
    """The video to read, or the folder of a recorded session."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """What to write: .mp4 plays anywhere, .mkv is lossless, .mov is ProRes for editing; NAME.png and NAME.exr write
    a folder NAME of numbered pictures (EXR in linear light)."""
    codec: Literal["auto", "h264", "h265", "prores", "ffv1"] = "auto"
    """Another codec than the suffix stands for."""
    overwrite: bool = False
    """Replace what has the output's name already, once the new one is whole; the input is never replaced."""
    size: tuple[Side, Side] | None = None
    """Width and height of the output, with black bars if the picture has another shape; the picture's own if not given.
    Codecs for players store even sides: an odd one gets one line more."""
    fps: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 0.0
    """Constant frames a second of the output: some are left out, or repeated. 0 keeps the input's own times."""
    start: Seconds = 0.0
    """Seconds into the input to start at."""
    stop: Seconds = 0.0
    """Seconds into the input to stop at; 0 is its end."""
    side_by_side: bool = False
    """Put the original on the left."""
    workers: Threads = 1
    """Render windows side by side on so many workers of Ray, one a GPU: see docs/MODELS.md."""
    server: str = ""
    """Render on this server instead of in this process; a render there cannot go on after a kill."""
    key: Path | None = None
    """Your secret key file, for a server on another machine."""
    server_key: Path | None = None
    """The server's public key file."""
    look: Annotated[Look, tyro.conf.arg(name="")] = msgspec.field(default_factory=Look)
    model: Annotated[Model, tyro.conf.arg(name="")] = msgspec.field(default_factory=Model)


class Models(Settings, frozen=True):
    """List the large models that RealMaster knows: what is here, what would fit, how fast it could be."""

    gpu: str = ""
    """Plan for this GPU, for example H100; this machine's own if not given."""
    resolution: tuple[Side, Side] = (832, 480)
    """Width and height in pixels."""
    length: Frames = 33
    """Frames in a window."""
    overlap: Frames = 5
    """Frames that each window repeats of the one before."""
    steps: Steps = 4
    """Denoising steps."""
    attention: Literal["full", "one_way"] = "one_way"
    """Of the LoRA: one_way caches the reference."""


class CheckPlugin(Settings, frozen=True):
    """Look at a running game's buffers and say in plain words what is wrong with them.

    Move the camera while it runs. The exit status is 1 if something is wrong.
    """

    ring: tyro.conf.Positional[str]
    """Name of the ring that the game publishes."""
    seconds: Annotated[float, msgspec.Meta(ge=0.5, le=3600)] = 4.0
    """How long to watch."""


class Doctor(Settings, frozen=True):
    """Check this machine and say what to do about what is missing."""

    port: Port = 8188
    """The page's port to check."""


class Keys(Settings, frozen=True):
    """Make a CURVE key pair for talking across machines."""

    name: tyro.conf.Positional[str]
    """Name of the pair, for example the machine's."""
    folder: Path = Path("keys")
    """Where to write NAME.key (public, copy it to the other machine) and NAME.key_secret (stays here)."""
