// The socket: says which peers the page shows and in which version, hands what comes back on as "live" events.
// Must not touch the page. Other files listen: live-rows.js, live-status.js, ticking.js.

const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 10_000;
const SILENT_MS = 15_000;
const SIGNED_OUT = 4401;

const place = document.querySelector("[data-live-view]");
let socket = null;
let delayMs = FIRST_DELAY_MS;
let silence = 0;

const tell = (detail) => document.dispatchEvent(new CustomEvent("live", { detail }));
const send = (message) => socket?.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));

function shown() {
  const peers = [...document.querySelectorAll("[data-peer][data-v]")];
  const { liveView, search, filter, order, place: at, size } = place.dataset;
  const list = size ? { search, state: filter, order, place: at, size: Number(size) } : null;
  return { watch: Object.fromEntries(peers.map((peer) => [peer.dataset.peer, peer.dataset.v])), as: liveView, list };
}

function heard(text) {
  clearTimeout(silence);
  silence = setTimeout(() => socket.close(), SILENT_MS);
  const message = JSON.parse(text);
  tell(message);
  if (message.n) send({ seen: message.n });
}

function connect() {
  const address = new URL("/ws/registrations/", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(address);
  socket.addEventListener("open", () => {
    delayMs = FIRST_DELAY_MS;
    send(shown());
  });
  socket.addEventListener("message", (event) => heard(event.data));
  socket.addEventListener("close", (event) => {
    clearTimeout(silence);
    if (event.code === SIGNED_OUT) return location.reload();
    tell({ connection: "reconnecting" });
    setTimeout(connect, delayMs * (0.5 + Math.random()));
    delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
  });
}

if (place) {
  document.addEventListener("live:shown", () => send(shown()));
  document.addEventListener("live:ran-out", (event) => send({ refresh: event.detail }));
  connect();
}
