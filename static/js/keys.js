// The keyboard: / search, j k rows, o open, x select, n new, g r and friends, ? this list.

const places = document.querySelector("[data-keys]")?.dataset ?? {};
const dialog = document.getElementById("keys");
let went = 0;

const links = () => [...document.querySelectorAll("tbody [data-open]")];

function step(by) {
  const rows = links();
  const at = rows.findIndex((link) => link.closest("tr").contains(document.activeElement));
  rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))]?.focus();
}

function go(key) {
  const address = places[`go${key.toUpperCase()}`];
  if (address) location.href = address;
}

const actions = {
  "/": () => document.querySelector("[data-search]")?.select(),
  j: () => step(1),
  k: () => step(-1),
  o: () => document.activeElement.closest("tr")?.querySelector("[data-open]")?.click(),
  x: () => document.activeElement.closest("tr")?.querySelector("input[type=checkbox]")?.click(),
  n: () => places.new && (location.href = places.new),
  g: () => (went = Date.now()),
  "?": () => dialog?.showModal(),
};

document.addEventListener("keydown", (event) => {
  const writing = event.target.matches("input:not([type=checkbox]):not([type=radio]), textarea, select");
  if (event.key === "Escape" && writing) return event.target.blur();
  if (writing || dialog?.open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (Date.now() - went < 1000 && event.key !== "g") {
    went = 0;
    return go(event.key);
  }
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});
