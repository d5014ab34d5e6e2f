// Lets the times on the page go on: how long since, how long left, clock times in the reader's own zone.
// Says the same words as apps/console/words.py. When a registration runs out, or its renewal is overdue, it asks for the row.

const RAN_OUT_MS = 400; // by then the server's clock agrees
let aheadMs = 0; // how far this browser's clock is before the server's
const asked = new Map();
const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

const two = (number) => String(number).padStart(2, "0");
const pair = (a, unit, b, small) => (b ? `${a} ${unit} ${b} ${small}` : `${a} ${unit}`);

function elapsed(s) {
  s = Math.max(0, s);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return pair(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
  return pair(Math.floor(s / 86400), "d", Math.floor((s % 86400) / 3600), "h");
}

function countdown(s) {
  s = Math.max(0, s);
  if (s >= 86400) return elapsed(s);
  const [h, m] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60)];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

const hours = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;

function date(at, now) {
  const year = at.getFullYear() === now.getFullYear() ? "" : ` ${at.getFullYear()}`;
  return `${at.getDate()} ${at.toLocaleString("en", { month: "short" })}${year}`;
}

const isToday = (at, now) => at.toDateString() === now.toDateString();
const day = (at, now) => (isToday(at, now) ? hours(at) : date(at, now));
const clock = (at, now) => (isToday(at, now) ? hours(at) : `${date(at, now)} ${hours(at)}`);

const words = {
  since: (at, now) => elapsed(Math.floor((now - at) / 1000)),
  ago: (at, now) => `${elapsed(Math.floor((now - at) / 1000))} ago`,
  until: (at, now) => countdown(Math.floor((at - now) / 1000)),
  clock,
  day,
};

function tick() {
  const now = new Date(Date.now() - aheadMs);
  const ranOut = [];
  const ask = (peer, when) => {
    if (peer && asked.get(peer) !== when) ranOut.push(peer) && asked.set(peer, when);
  };
  for (const time of document.querySelectorAll("time[data-tick]")) {
    const at = new Date(time.dateTime);
    const text = words[time.dataset.tick](at, now);
    if (time.textContent !== text) time.textContent = text;
    if (time.dataset.tick === "until" && at <= now) ask(time.closest("[data-peer]")?.dataset.peer, time.dateTime);
  }
  for (const row of document.querySelectorAll("[data-due]")) {
    if (new Date(row.dataset.due) <= now) ask(row.dataset.peer, row.dataset.due);
  }
  for (const bar of document.querySelectorAll("progress[data-until]")) {
    bar.value = Math.max(0, (new Date(bar.dataset.until) - now) / 1000);
  }
  if (ranOut.length) setTimeout(() => document.dispatchEvent(new CustomEvent("live:ran-out", { detail: ranOut.slice(0, 200) })), RAN_OUT_MS);
}

document.addEventListener("live", ({ detail }) => {
  if (detail.ping) aheadMs = Date.now() - detail.ping;
});
document.addEventListener("live:changed", tick);
document.addEventListener("pointerover", ({ target }) => {
  const time = target.closest?.("time[data-tick]");
  if (time) time.title = zone.format(new Date(time.dateTime));
});
tick();
setInterval(tick, 1000);
