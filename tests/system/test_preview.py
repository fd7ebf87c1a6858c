"""The preview page's server over real HTTP and WebSockets."""

from __future__ import annotations

import asyncio
import json
import struct

import aiohttp
import cv2
import numpy as np
import pytest

from benchmarks.common import part_of
from bridge.contract import MAX_PROMPT, RenderSettings
from realmaster.errors import UserError
from realmaster.outputs.page.server import MAX_VIEWERS, Preview
from realmaster.stream.sink import Shown
from realmaster.stream.stats import Stats
from tests.conftest import moving_frames


@pytest.fixture
def preview():
    page = Preview("127.0.0.1", 0, RenderSettings())
    yield page
    page.close()


def shown(number: int) -> Shown:
    frame = moving_frames(1, 96, 64, first=number)[0]
    return Shown(frame, 255 - frame.rgb)


def split(message: bytes) -> tuple[dict, np.ndarray, np.ndarray]:
    (length,) = struct.unpack_from("<I", message)
    header = json.loads(message[4:4 + length])
    game = message[4 + length:4 + length + header["game"]]
    photo = message[4 + length + header["game"]:]
    return header, *(cv2.imdecode(np.frombuffer(b, np.uint8), cv2.IMREAD_COLOR)[..., ::-1] for b in (game, photo))


def at(preview: Preview, path: str) -> str:
    return part_of(preview.address, path)


def origin_of(preview: Preview) -> str:
    return at(preview, "").partition("?")[0]


def with_socket(preview: Preview, use, **headers: str):
    async def go():
        origin = {"Origin": origin_of(preview), **headers}
        async with (aiohttp.ClientSession() as session,
                    session.ws_connect(at(preview, "/ws"), headers=origin) as socket):
            return await use(socket)

    return asyncio.run(asyncio.wait_for(go(), 20))


async def next_of(socket, kind):
    while True:
        message = await socket.receive(timeout=10)
        if message.type is kind:
            return message.data


def test_a_viewer_gets_the_newest_pair_when_it_asks(preview):
    stats = Stats()

    async def use(socket):
        for number in range(5):
            preview.show(shown(number), stats)
        await socket.send_json({"next": True})
        first = await next_of(socket, aiohttp.WSMsgType.BINARY)
        preview.show(shown(7), stats)
        await socket.send_json({"next": True})
        return first, await next_of(socket, aiohttp.WSMsgType.BINARY)

    first, second = with_socket(preview, use)
    header, game, photo = split(first)
    assert header["id"] == 5, "frames 1 to 4 were never sent: nobody asked for them"
    assert np.abs(game.astype(int) - shown(4).frame.rgb).mean() < 6
    assert np.abs(photo.astype(int) - shown(4).photo).mean() < 6
    assert split(second)[0]["id"] == 6


def test_controls_take_effect_and_nonsense_does_not(preview):
    preview.update(Stats())

    async def use(socket):
        for text in ("", "x" * 100, "[]", "null", '{"strength": 7}', '{"strength": "a"}', '{"steps": 0}',
                     '{"steps": true}', '{"steps": 99}', '{"prompt": "night"}', '{"strength": 0.25, "steps": 3}'):
            await socket.send_str(text)
        while True:
            said = json.loads(await next_of(socket, aiohttp.WSMsgType.TEXT))
            if said["settings"] == {"strength": 0.25, "steps": 3, "prompt": ""}:
                return said["status"]

    status = with_socket(preview, use)
    assert status["server"] == "connecting" and "fps_in" in status and "dropped" in status
    assert preview.settings == RenderSettings(strength=0.25, steps=3)


def test_a_model_that_reads_prompts_is_given_them(preview):
    preview.update(Stats(prompts=True))

    async def use(socket):
        await socket.send_str(json.dumps({"prompt": "n" * 2000}))
        while not (said := json.loads(await next_of(socket, aiohttp.WSMsgType.TEXT)))["settings"]["prompt"]:
            pass
        return said

    said = with_socket(preview, use)
    assert said["settings"]["prompt"] == preview.settings.prompt == "n" * MAX_PROMPT and said["status"]["prompts"]


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Origin": ""}])
def test_other_pages_may_not_listen_in(preview, headers):
    async def use(socket):
        return None

    with pytest.raises(aiohttp.WSServerHandshakeError) as error:
        with_socket(preview, use, **headers)
    assert error.value.status == 403


def test_viewers_are_bounded(preview):
    async def go():
        origin = {"Origin": origin_of(preview)}
        async with aiohttp.ClientSession() as session:
            sockets = [await session.ws_connect(at(preview, "/ws"), headers=origin) for _ in range(MAX_VIEWERS)]
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(at(preview, "/ws"), headers=origin)
            for socket in sockets:
                await socket.close()

    asyncio.run(asyncio.wait_for(go(), 20))


def test_a_viewer_that_never_asks_holds_nobody_up(preview):
    async def use(socket):
        for number in range(200):
            preview.show(shown(number), Stats())

    with_socket(preview, use)


def test_a_taken_port_and_an_open_address_are_refused(preview):
    with pytest.raises(UserError, match="another --port"):
        Preview("127.0.0.1", preview.port, RenderSettings())
    with pytest.raises(UserError, match="loopback"):
        Preview("0.0.0.0", 0, RenderSettings())
