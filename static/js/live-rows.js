// Puts a pushed row in the place of the old one by changing only what differs, so focus, selection, a ticked box and
// an opened "+2" stay. While the pointer is in the table nothing is taken away; rows not on the page wait behind a link.

const KEPT = new Set(["open", "class", "hidden"]);

function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return old.replaceWith(fresh.cloneNode(true));
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) return;
  morphAttributes(old, fresh);
  const [olds, freshes] = [[...old.childNodes], [...fresh.childNodes]];
  freshes.forEach((child, i) => (olds[i] ? morph(olds[i], child) : old.append(child.cloneNode(true))));
  olds.slice(freshes.length).forEach((child) => child.remove());
}

function morphAttributes(old, fresh) {
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !KEPT.has(name)) old.removeAttribute(name);
}

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

function flash(element) {
  element.classList.remove("changed");
  requestAnimationFrame(() => element.classList.add("changed"));
}

function put(id, html) {
  const old = document.getElementById(id);
  const fresh = parsed(html);
  if (!old || !fresh) return;
  morph(old, fresh);
  flash(old);
}

function take(id) {
  const row = document.getElementById(id);
  const table = row?.closest("table");
  if (table?.matches(":hover")) table.addEventListener("pointerleave", () => row.remove(), { once: true });
  else row?.remove();
}

function showNew(count) {
  const link = document.querySelector("[data-new-rows]");
  if (!link) return count && location.reload(); // the empty page has nothing that could jump
  link.hidden = !count;
  link.textContent = `${count} new`;
}

let reloading = null;
async function reloadPage() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (response.redirected || !response.ok) return location.reload();
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const old of document.querySelectorAll("[data-region]")) {
    const fresh = page.querySelector(`[data-region="${old.dataset.region}"]`);
    if (fresh) morph(old, fresh);
  }
  document.dispatchEvent(new Event("live:shown"));
}

// A page of sums (Sites) has no rows of its own to be told of: it looks again when the counters differ.
let counted = null;
function countersChanged(counters) {
  if (!counters || !document.querySelector("[data-reload-on-counters]")) return false;
  const before = counted;
  counted = JSON.stringify(counters);
  return before !== null && before !== counted;
}

document.addEventListener("live", ({ detail }) => {
  for (const [id, html] of Object.entries(detail.rows ?? {})) put(id, html);
  (detail.removed ?? []).forEach(take);
  if (detail.new !== undefined) showNew(detail.new);
  if (detail.reload || countersChanged(detail.counters)) reloading ??= reloadPage().finally(() => (reloading = null));
  if (detail.rows) document.dispatchEvent(new Event("live:changed"));
});
document.addEventListener("animationend", ({ target, animationName }) => {
  if (animationName === "changed") target.closest(".changed")?.classList.remove("changed");
});
