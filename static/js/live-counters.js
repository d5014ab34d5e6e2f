// Keeps the counters right, and says them now and then to those who listen instead of look.

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
