"""The settings of the commands that run the product, declared once: command line, TOML file and session log.

The settings of pairs, training and evaluation are in the `settings` module of each package.

A TOML file given with `--config` holds the same names as the flags (`max_fps = 20`, and
`[look]` and `[model]` tables). Unknown names are refused. A flag on the command line overrides the file.
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
    """`tiny` (comes with RealMaster), a folder in the same layout, or a large model's folder (see docs/MODELS.md).
    Experimental options have never run with a large model's real weights or on a GPU."""
    backend: Literal["onnx", "torch"] = "onnx"
    """For the tiny model: `onnx` runs exported graphs without torch; `torch` runs the model that they came from."""
    threads: Threads = 2
    """Number of CPU threads for the model."""
    overlap: Frames = 5
    """Frames that a window shares with the previous window: a multiple of 4 (8 for LTX), plus 1."""
    resolution: tuple[Side, Side] = (832, 480)
    """For a large model: width and height of its picture, in pixels."""
    length: Frames = 33
    """For a large model: frames in a window, a multiple of 4 (8 for LTX), plus 1."""
    lora: tuple[str, ...] = ()
    """For a large model: LoRAs, FILE or FILE:WEIGHT. If none is given, lora.safetensors in the model's folder."""
    lora_mode: Literal["merged", "live"] = "merged"
    """Experimental. merged: adds the LoRAs to the weights, which costs no time. live: keeps them apart in their own
    precision, a little slower but exact where 16 or 8 bits would round small changes away."""
    attention: Literal["auto", "full", "one_way"] = "auto"
    """The LoRA's attention mode; `auto` reads it from the LoRA's file."""
    reference_strength: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Experimental. How closely a LoRA of attention mode full follows the game: 1 most closely, 0 least."""
    sigmas: tuple[Annotated[float, msgspec.Meta(gt=0, le=1)], ...] = ()
    """Experimental. Noise levels of a distilled model, from 1 down, one a step. They replace --steps."""
    anchor: Path | None = None
    """Experimental. For a large model: picture file, a photoreal first frame from which the video continues."""
    tiny_vae: Path | None = None
    """Experimental. TAEHV weights (.safetensors) that replace the model's autoencoder: much faster, a little softer."""
    streaming_vae: bool = False
    """Experimental. Encode and decode each frame only once: the autoencoder keeps its state from window to window. For
    Wan, and for any --tiny-vae. It takes memory (see docs/MODELS.md), and windows are no longer blended."""
    guidance: Annotated[float, msgspec.Meta(ge=0, le=100)] = 1.0
    """Experimental. Scale of classifier-free guidance; 1 turns it off and is twice as fast."""
    precision: Literal["auto", "fp32", "bf16", "int8", "fp8"] = "auto"
    """Experimental. Precision of a large model's weights: auto is bf16 on a GPU, int8 halves their memory, fp8 halves
    it and is faster (RTX 40, H100)."""
    kernels: str = "native"
    """Experimental. Attention kernels of a large model, as diffusers names them: native, flash, _flash_3, sage,
    xformers. All except native need a package of their own."""
    compile: bool = False
    """Experimental. Compile a large model with torch.compile: it starts minutes later and then renders faster."""
    low_memory: bool = False
    """Experimental. Keep a large model's weights in main memory, load each layer into the GPU when it runs, and decode
    in tiles. This needs less GPU memory and is slower."""

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
    """How the picture looks. In `live`, the page can change these settings."""

    strength: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Share of the model's picture in what is shown: 0 is the game's frame, 1 the model's."""
    steps: Steps = 1
    """Number of denoising steps: 1 is fastest and closest to the truth on average; more steps add detail."""
    prompt: Annotated[str, msgspec.Meta(max_length=MAX_PROMPT)] = ""
    """For a large model: what the picture shows, in words."""
    guides: bool = False
    """For a large model trained with `--guides`: also read the game's normals and depth."""
    seed: Seed = 0
    """Seed of the noise. The same seed, windows and settings give the same frames."""
    keep: tuple[ObjectId, ...] = ()
    """Ids of objects to leave as the game drew them (0: the static world). The source must give object ids."""
    only: tuple[ObjectId, ...] = ()
    """Ids of the only objects to turn photoreal. Everything else stays as the game drew it."""

    def __post_init__(self) -> None:
        if self.keep and self.only:
            raise ValueError("--keep and --only exclude each other: give one of the two")


class _View(Settings, frozen=True):
    """Settings that `live`, `record` and `play` share."""

    server: str = "auto"
    """Model server: `auto` starts one here, `none` renders nothing, an address (tcp://HOST:5555) uses that server."""
    key: Path | None = None
    """Your secret key file. A server on another machine needs it (see `realmaster keys`)."""
    server_key: Path | None = None
    """The server's public key file."""
    max_fps: Annotated[float, msgspec.Meta(ge=0.1, le=1000)] = 24.0
    """Highest number of frames a second to render. A slow server renders fewer."""
    host: str = "127.0.0.1"
    """Address of the page; it must be a loopback address."""
    port: Port = 8188
    """Port of the page and of /metrics; 0 takes any free port."""
    seconds: Seconds = 0.0
    """Stop after this many seconds; 0 runs until Ctrl-C."""
    log_json: Path | None = None
    """File to append the status to: a line of JSON every second and one at the end."""
    look: Annotated[Look, tyro.conf.arg(name="")] = msgspec.field(default_factory=Look)
    model: Annotated[Model, tyro.conf.arg(name="")] = msgspec.field(default_factory=Model)


class Watching(_View, frozen=True):
    """Settings that `live`, `record` and `capture-game` share."""

    pacing: Pacing = Pacing.FREERUN
    """freerun: newest frame only; genlocked: every frame while the reader keeps up; framelocked: the game waits."""
    sessions: Path = Path("sessions")
    """Folder for the recordings that the page makes."""
    buffers: tuple[BufferName, ...] = ("color",)
    """Buffers to record. Each one costs CPU time and disk space."""
    replay_seconds: Seconds = 30.0
    """Seconds to keep for "save the last seconds"; 0 keeps nothing."""
    replay_mb: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 256
    """Memory limit for "save the last seconds", in MiB. When it is full, the oldest frames are dropped."""

    @property
    def origin(self) -> str:
        """Where the frames come from, as a recording's session.json names it."""
        raise NotImplementedError


class Live(Watching, frozen=True):
    """Show a running game and its photoreal version, side by side, in the browser.

    Without flags, this starts the demo game and a model server, and prints the address of the page.
    Ctrl-C stops all of it. `--source screen --window TITLE` captures any window, `--game vizdoom` starts
    another game, `--game none --ring NAME` uses a game that is already running, and `--server ADDRESS` uses
    a server that is already running. The page can record, and save the last seconds.
    """

    source: Literal["engine", "screen", "video"] = "engine"
    """`engine`: a game that publishes its buffers; `screen`: a window or a region; `video`: a file, played live."""
    game: Literal["demo", "vizdoom", "none"] = "demo"
    """For `--source engine`: the game to start. `none` waits for the running game that --ring names."""
    world: Literal["street", "square", "country", "room"] = "street"
    """World that the demo game shows."""
    ring: str = ""
    """Name of the game's ring (its shared memory). `--game none` needs it."""
    window: str | None = None
    """For `--source screen`: part of the window's title, or its X11 id (0x...)."""
    region: str | None = None
    """For `--source screen`: WIDTHxHEIGHT+LEFT+TOP in pixels. Without --window and --region: the whole screen."""
    video: Path | None = None
    """For `--source video`: the video file."""

    @property
    def origin(self) -> str:
        """See `Watching.origin`."""
        return self.source if self.source != "engine" else f"engine:{self.ring or self.game}"


class Record(Live, frozen=True):
    """Record a game, with every buffer it gives, and its photoreal version as it was shown.

    `record` takes all flags of `live`. With `--pacing framelocked` no frame is lost, but the game waits for the
    recorder and the server. With the other pacings, the recording says how many frames were lost. `--server none`
    records without rendering. `realmaster recover` repairs a recording that was cut short.
    """

    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder to record to. If not given, a new folder in --sessions, named by the time."""
    pacing: Pacing = Pacing.GENLOCKED
    """genlocked: every frame while the recorder keeps up; framelocked: the game waits; freerun: newest frame only."""
    buffers: tuple[BufferName, ...] = get_args(BufferName)
    """Buffers to record. Each one costs CPU time and disk space."""
    replay_seconds: Seconds = 0.0
    """Seconds to keep for "save the last seconds"; 0 keeps nothing."""


class CaptureGame(Watching, frozen=True, kw_only=True):
    """Start an unmodified OpenGL game and show it beside its photoreal version.

    For example `realmaster capture-game -- minetest --go`. Linux only. A library is loaded into this game and no other.
    It reads the picture with and without interface, the depth and the camera. The first use compiles it, which needs a
    C compiler. Online games and games with an anti-cheat are refused; do not try to get round that.
    """

    command: tyro.conf.Positional[tuple[str, ...]]
    """The game's program and its arguments, after `--`."""
    ring: str = ""
    """Name of the ring (shared memory) to publish, as for `realmaster check-plugin`. If not given, the game's name."""
    profile: Path | None = None
    """TOML file with facts about this game. If not given, the game's in engine_plugins/opengl/profiles."""

    @property
    def name(self) -> str:
        """The ring's name."""
        return self.ring or re.sub(r"[^A-Za-z0-9_-]", "-", Path(*self.command[:1]).name)[:64]

    @property
    def origin(self) -> str:
        """See `Watching.origin`."""
        return f"engine:{self.name}"


class Play(_View, frozen=True, kw_only=True):
    """Play a recorded session on the page, as it was shown. The page can seek in it.

    Playback starts when a browser opens the page, and stays at the last frame until Ctrl-C.
    """

    server: str = "recorded"
    """`recorded` shows the recorded photoreal pictures and renders only where there are none; `auto` renders again on a
    server started here; `none` shows the game alone; an address renders again on that server."""
    session: tyro.conf.Positional[Path]
    """Folder of the session."""
    start: Seconds = 0.0
    """Where to start, in seconds from the start of the session."""
    stop: Seconds = 0.0
    """Where to stop, in seconds from the start of the session; 0 is its end."""


class Recover(Settings, frozen=True):
    """Repair a recording that was cut short: keep every frame whose buffers are all there.

    The exit status is 0 if nothing was lost, 3 if frames were lost (it says how many), and 1 if nothing is left.
    """

    session: tyro.conf.Positional[Path]
    """Folder of the session, with or without .part."""


class Serve(Settings, frozen=True):
    """Run the model server that `live` and `render` talk to.

    Loopback and ipc addresses need no keys. Any other address needs CURVE keys: make a pair on each
    machine with `realmaster keys NAME`, and copy each public key to the other machine.
    """

    bind: str = "tcp://127.0.0.1:5555"
    """Address to listen on: tcp://HOST:PORT or ipc://PATH."""
    key: Path | None = None
    """This server's secret key file."""
    clients: Path | None = None
    """Folder with the public key files of the clients that may connect."""
    model: Annotated[Model, tyro.conf.arg(name="")] = msgspec.field(default_factory=Model)


class Render(Settings, frozen=True):
    """Turn a video file or a recorded session photoreal, offline: every frame, in order, none dropped.

    The same windows, seed and settings give the same frames as in `live`. If a render is killed, run the same
    command again: it continues, and the result is the same.
    """

    input: tyro.conf.Positional[Path]
    """Video file to read, or folder of a recorded session."""
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """File to write: .mp4 plays anywhere, .mkv is lossless, .mov is ProRes for editing. NAME.png and NAME.exr write a
    folder NAME of numbered pictures (EXR in linear light)."""
    codec: Literal["auto", "h264", "h265", "prores", "ffv1"] = "auto"
    """Codec of the video; auto chooses it by the output's suffix."""
    overwrite: bool = False
    """Replace an existing output once the new one is complete. The input is never replaced."""
    size: tuple[Side, Side] | None = None
    """Width and height of the output in pixels, with black bars if the shapes differ. If not given, the input's size.
    Codecs for players need even sides, so an odd side gets one more line."""
    fps: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 0.0
    """Constant frames a second of the output; frames are left out or repeated. 0 keeps the input's times."""
    start: Seconds = 0.0
    """Where to start, in seconds from the start of the input."""
    stop: Seconds = 0.0
    """Where to stop, in seconds from the start of the input; 0 is its end."""
    side_by_side: bool = False
    """Put the original picture to the left of the photoreal one."""
    workers: Threads = 1
    """Number of Ray workers that render windows at the same time, one a GPU (see docs/MODELS.md)."""
    server: str = ""
    """Address of a server to render on. Such a render cannot continue after a kill."""
    key: Path | None = None
    """Your secret key file. A server on another machine needs it."""
    server_key: Path | None = None
    """The server's public key file."""
    look: Annotated[Look, tyro.conf.arg(name="")] = msgspec.field(default_factory=Look)
    model: Annotated[Model, tyro.conf.arg(name="")] = msgspec.field(default_factory=Model)


class Models(Settings, frozen=True):
    """List the large models that RealMaster knows: which are here, which would fit, how fast they could be."""

    gpu: str = ""
    """GPU to plan for, such as H100. If not given, this machine's GPU."""
    resolution: tuple[Side, Side] = (832, 480)
    """Width and height of the picture, in pixels."""
    length: Frames = 33
    """Frames in a window."""
    overlap: Frames = 5
    """Frames that a window shares with the previous window."""
    steps: Steps = 4
    """Number of denoising steps."""
    attention: Literal["full", "one_way"] = "one_way"
    """Attention mode of the LoRA: one_way caches the reference, full does not."""


class CheckPlugin(Settings, frozen=True):
    """Check a running game's buffers and say in plain words what is wrong with them.

    Move the camera in the game meanwhile. The exit status is 1 if something is wrong.
    """

    ring: tyro.conf.Positional[str]
    """Name of the ring that the game publishes."""
    seconds: Annotated[float, msgspec.Meta(ge=0.5, le=3600)] = 4.0
    """How long to watch, in seconds."""


class Doctor(Settings, frozen=True):
    """Check this machine and say what to do about what is missing."""

    port: Port = 8188
    """Port of the page to check."""


class Keys(Settings, frozen=True):
    """Make a pair of CURVE keys, which a server on another machine needs."""

    name: tyro.conf.Positional[str]
    """Name of the key pair, such as the machine's name."""
    folder: Path = Path("keys")
    """Folder to write to: NAME.key (public, copy it to the other machine) and NAME.key_secret (keep it here)."""
