// The connection pill: live, reconnecting, or stale since when. It never pretends.

const LATE_MS = 8_000;
const pill = document.querySelector("[data-connection]");
const words = pill?.querySelector("[data-connection-words]");
let heardAt = Date.now();
let freshAt = Date.now();
let state = "connecting";

function show() {
  const now = Date.now();
  const silent = state === "live" && now - heardAt > LATE_MS;
  const staleMs = now - freshAt;
  const stale = silent || (state !== "live" && staleMs > LATE_MS);
  pill.hidden = state === "connecting" && staleMs < 1500;
  pill.dataset.state = stale ? "stale" : state === "live" ? "live" : "reconnecting";
  const text = stale ? `Stale since ${Math.round(staleMs / 1000)} s` : state === "live" ? "Live" : "Reconnecting";
  if (words.textContent !== text) words.textContent = text;
}

if (pill) {
  document.addEventListener("live", ({ detail }) => {
    if (detail.connection) state = detail.connection;
    else {
      heardAt = Date.now();
      if (detail.ping) state = detail.fresh ? "live" : "reconnecting";
      if (state === "live") freshAt = heardAt;
    }
    show();
  });
  setInterval(show, 1000);
}
