// The preview page: draws frame pairs from the socket, and sends back what the controls say.
const byId = (id) => document.getElementById(id);
const stage = byId("stage"), handle = byId("handle"), notice = byId("notice"), state = byId("state");
const decoder = new TextDecoder();
let socket = null;
let touched = 0; // when a control was last moved here; the server's echo must not fight the hand

function say(message, level) {
  state.textContent = message;
  state.className = level;
}

function explain(message) {
  notice.hidden = !message;
  notice.textContent = message;
}

async function draw(canvas, bytes) {
  if (!bytes.byteLength) return false;
  const image = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
  if (canvas.width !== image.width || canvas.height !== image.height) {
    canvas.width = image.width;
    canvas.height = image.height;
  }
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  image.close();
  return true;
}

async function showPair(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(decoder.decode(new Uint8Array(buffer, 4, length)));
  const game = new Uint8Array(buffer, 4 + length, header.game);
  const photo = new Uint8Array(buffer, 4 + length + header.game);
  await draw(byId("game"), game);
  byId("after").hidden = !(await draw(byId("photo"), photo));
  stage.dataset.pairs = Number(stage.dataset.pairs || 0) + 1;
}

function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

function showRecording(recording) {
  byId("recorder").hidden = !recording;
  const line = byId("recording");
  if (!recording) return;
  const on = Boolean(recording.path);
  byId("record").setAttribute("aria-pressed", on);
  byId("record").textContent = on ? `Stop ${clock(recording.seconds)}` : "Record";
  byId("save").disabled = !recording.replay_bytes;
  byId("save").textContent = `Save last ${Math.round(recording.replay_seconds)} s`;
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
  const remembered = recording.replay_bytes ? `${megabytes(recording.replay_bytes)} of memory hold the last ${recording.replay_seconds.toFixed(0)} s` : "";
  const now = on ? `recording to ${recording.path}: ${megabytes(recording.bytes)}, ${recording.lost} frames lost, ` +
    `${(recording.free_bytes / 1e9).toFixed(1)} GB free` : "";
  const saved = recording.saved && !on ? `saved ${recording.saved}` : "";
  line.textContent = [recording.error, recording.trouble, now, saved, remembered].filter(Boolean).join(" · ");
  line.className = recording.error ? "trouble" : "";
  line.hidden = !line.textContent;
}

function showControls({ length, position }) {
  byId("seeker").hidden = !length;
  if (!length) return;
  byId("seek").max = length;
  if (Date.now() - touched > 1500) {
    byId("seek").value = position;
    byId("seek-value").textContent = clock(position);
  }
}

function showStatus({ status, settings, controls }) {
  showRecording(status.recording);
  showControls(controls);
  byId("fps-in").textContent = `${status.fps_in.toFixed(1)} fps`;
  byId("fps-out").textContent = `${status.fps_out.toFixed(1)} fps`;
  byId("behind").textContent = `${status.behind.toFixed(2)} s`;
  const causes = Object.entries(status.dropped);
  byId("dropped").textContent = causes.map(([cause, n]) => `${n} ${cause}`).join(", ") || "none";
  const stages = Object.entries(status.stage_ms);
  byId("stages").textContent = stages.map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`).join("  ") || "–";
  const trouble = [status.source || status.server || status.guides, ...status.troubles].filter(Boolean).join(" · ");
  if (trouble) say(trouble, "trouble");
  else say(`live, model ${status.model}`, "live");
  explain(trouble);
  if (Date.now() - touched > 1500) {
    setRange("strength", Math.round(settings.strength * 100), "%");
    setRange("steps", settings.steps, "");
  }
  byId("prompter").hidden = !status.prompts;
  if (document.activeElement !== byId("prompt")) byId("prompt").value = settings.prompt;
}

function setRange(id, value, unit) {
  byId(id).value = value;
  byId(`${id}-value`).textContent = `${value}${unit}`;
}

function send(message) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function connect() {
  socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/ws${location.search}`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => send({ next: true });
  socket.onmessage = async ({ data }) => {
    if (typeof data === "string") {
      showStatus(JSON.parse(data));
      return;
    }
    send({ next: true }); // asked for while this one is drawn, so that the next is on its way
    await showPair(data);
  };
  socket.onclose = () => {
    say("RealMaster has stopped", "trouble");
    explain("RealMaster has stopped. Start it again; this page reconnects by itself.");
    setTimeout(connect, 1000);
  };
}

function split(percent) {
  const value = Math.min(100, Math.max(0, percent));
  stage.style.setProperty("--split", `${value}%`);
  handle.setAttribute("aria-valuenow", Math.round(value));
}

function layout(name) {
  stage.classList.toggle("wipe", name === "wipe");
  stage.classList.toggle("side", name === "side");
  byId("wipe").setAttribute("aria-pressed", name === "wipe");
  byId("side").setAttribute("aria-pressed", name === "side");
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else stage.requestFullscreen();
}

function strength(percent) {
  const value = Math.min(100, Math.max(0, percent));
  touched = Date.now();
  setRange("strength", value, "%");
  send({ strength: value / 100 });
}

function drag(event) {
  if (!stage.classList.contains("wipe") || !(event.buttons & 1)) return;
  const box = stage.getBoundingClientRect();
  split(100 * (event.clientX - box.left) / box.width);
}

stage.addEventListener("pointerdown", (event) => {
  stage.setPointerCapture(event.pointerId); // a swipe that leaves the picture still moves the divider
  drag(event);
});
stage.addEventListener("pointermove", drag);
byId("wipe").onclick = () => layout("wipe");
byId("side").onclick = () => layout("side");
byId("full").onclick = fullScreen;
byId("strength").oninput = (event) => strength(Number(event.target.value));
byId("steps").oninput = (event) => {
  touched = Date.now();
  setRange("steps", event.target.value, "");
  send({ steps: Number(event.target.value) });
};
byId("prompt").onchange = (event) => send({ prompt: event.target.value });
byId("record").onclick = () => send({ record: true });
byId("save").onclick = () => send({ save: true });
byId("seek").oninput = (event) => {
  touched = Date.now();
  byId("seek-value").textContent = clock(Number(event.target.value));
  send({ seek: Number(event.target.value) });
};

// A slider that was moved with the pointer gives the keys back; one that was reached with Tab keeps its own keys.
for (const slider of document.querySelectorAll('input[type="range"]')) {
  slider.addEventListener("pointerup", () => slider.blur());
}

function belongsTo(target, key) {
  if (target.matches('input[type="range"]')) return /^(Arrow|Home|End|Page)/.test(key);
  return target.matches("input, textarea, select");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || belongsTo(event.target, event.key)) return;
  const now = Number(handle.getAttribute("aria-valuenow"));
  const actions = {
    ArrowLeft: () => split(now - 2), ArrowRight: () => split(now + 2), Home: () => split(0), End: () => split(100),
    r: () => byId("record").click(), l: () => byId("save").click(),
    w: () => layout("wipe"), s: () => layout("side"), f: fullScreen,
    "[": () => strength(Number(byId("strength").value) - 5), "]": () => strength(Number(byId("strength").value) + 5),
  };
  const action = actions[event.key] || actions[event.key.toLowerCase()];
  if (action) {
    event.preventDefault();
    action();
  }
});
connect();
