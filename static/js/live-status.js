// The counters, said now and then to those who listen instead of look; and the connection pill: live, reconnecting,
// or stale since when. It never pretends.

const SAY_EVERY_MS = 10_000;
const region = document.querySelector("[data-announce]");
let saidAt = Date.now();
let later = 0;

function say(counters) {
  saidAt = Date.now();
  region.textContent = `${counters.online} online, ${counters.attention} need attention, ${counters.offline} offline`;
}

document.addEventListener("live", ({ detail: { counters } }) => {
  if (!counters) return;
  let differs = false;
  for (const place of document.querySelectorAll("[data-counter]")) {
    const text = String(counters[place.dataset.counter] ?? 0);
    differs ||= place.textContent !== text;
    if (place.textContent !== text) place.textContent = text;
  }
  if (!differs || !region) return;
  clearTimeout(later);
  later = setTimeout(say, Math.max(0, saidAt + SAY_EVERY_MS - Date.now()), counters);
});

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
