// Selecting rows: all of the page at once, how many are selected, and what needs a selection.

const form = document.querySelector("[data-bulk]");
const all = form?.querySelector("[data-select-all]");

function show() {
  const boxes = [...form.querySelectorAll("[name=peer]")];
  const count = boxes.filter((box) => box.checked).length;
  all.checked = count > 0 && count === boxes.length;
  all.indeterminate = count > 0 && count < boxes.length;
  const words = form.querySelector("[data-selected-words]");
  words.hidden = !count;
  words.textContent = `${count} selected`;
  for (const button of form.querySelectorAll("[data-needs-selection]")) button.disabled = !count;
}

if (all) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of form.querySelectorAll("[name=peer]")) box.checked = all.checked;
  });
  form.addEventListener("change", show);
  addEventListener("pageshow", show);
  show();
}
