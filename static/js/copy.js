// Copies: [data-copy] without a value copies its own text, with one the text of the element of that id.

const SHOWN_MS = 1500;

document.addEventListener("click", async ({ target }) => {
  const button = target.closest?.("[data-copy]");
  if (!button) return;
  const source = button.dataset.copy ? document.getElementById(button.dataset.copy) : button;
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
  } catch {
    getSelection().selectAllChildren(source); // no clipboard over plain HTTP: selected, ready for the keys
    return;
  }
  button.classList.add("copied");
  const said = button.querySelector("[data-copy-words]");
  if (said) said.textContent = "Copied";
  setTimeout(() => {
    button.classList.remove("copied");
    if (said) said.textContent = "Copy";
  }, SHOWN_MS);
});
