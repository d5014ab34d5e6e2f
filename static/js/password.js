// "Choose my own" shows the field; while typing, how long the password would resist. The server judges.

const words = ["Too short", "Weak", "Fair", "Good", "Strong"];

function bits(password) {
  const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^a-zA-Z0-9]/].map((kind, i) => (kind.test(password) ? [26, 26, 10, 32][i] : 0));
  return new Set(password).size < 5 ? 0 : password.length * Math.log2(kinds.reduce((a, b) => a + b, 1));
}

for (const group of document.querySelectorAll("[data-own-password]")) {
  const own = group.querySelector(".own-password");
  const input = own.querySelector("input");
  const line = own.querySelector("[data-strength-line]");
  const choose = () => {
    const chosen = group.querySelector("[name=password_choice]:checked")?.value === "own";
    own.hidden = !chosen;
    input.disabled = !chosen;
  };
  const judge = () => {
    const level = input.value.length < 8 ? 0 : Math.min(4, 1 + Math.floor(bits(input.value) / 24));
    line.hidden = !input.value;
    line.querySelector("meter").value = level;
    line.querySelector("span").textContent = words[level];
  };
  group.addEventListener("change", (event) => {
    choose();
    if (event.target.type === "radio" && !own.hidden) input.focus();
  });
  input.addEventListener("input", judge);
  choose();
  judge();
}
