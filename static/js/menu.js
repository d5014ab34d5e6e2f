// Closes the user menu by Escape or a click elsewhere.

const menu = document.querySelector("details.menu");
document.addEventListener("click", ({ target }) => menu?.open && !menu.contains(target) && (menu.open = false));
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape" || !menu?.open) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
