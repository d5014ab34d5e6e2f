// Reads the page again while the trace is on, and takes over what is new. An opened message stays open.

const EVERY_MS = 2000;
const place = document.querySelector("[data-trace]");
const list = place.querySelector(".ladder");

function take(fresh) {
  const items = [...fresh.querySelectorAll(".ladder > li")];
  const kept = new Set(items.map((item) => item.id));
  for (const old of [...list.children]) if (!kept.has(old.id)) old.remove();
  let at = list.firstElementChild;
  for (const item of items) {
    if (at?.id === item.id) at = at.nextElementSibling;
    else list.insertBefore(document.getElementById(item.id) ?? document.importNode(item, true), at);
  }
  for (const part of place.querySelectorAll("[data-trace-part]")) {
    const next = fresh.querySelector(`[data-trace-part="${part.dataset.tracePart}"]`);
    const isInUse = part.contains(document.activeElement) && fresh.dataset.trace === place.dataset.trace;
    if (next && !isInUse && next.textContent !== part.textContent) part.replaceWith(document.importNode(next, true));
  }
  place.dataset.trace = fresh.dataset.trace;
}

async function again() {
  if (place.dataset.trace !== "on") return;
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.redirected) return location.reload();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-trace]");
    if (fresh) take(fresh);
  } catch {
    // The server is away for a moment: the next time finds it.
  }
  setTimeout(again, EVERY_MS);
}

setTimeout(again, EVERY_MS);
