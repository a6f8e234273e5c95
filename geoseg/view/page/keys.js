"use strict";
// The keyboard: a table of keys, which are also listed in the help.

// Listen to the keys of a table: rows of [keys, text, action(key)].
function listenToKeys(table) {
  const actions = new Map(table.flatMap(([keys, , action]) => keys.map((key) => [key, action])));
  const help = document.getElementById("help");
  document.addEventListener("keydown", (event) => {
    const command = event.ctrlKey || event.metaKey;
    const key = command ? `Ctrl+${event.shiftKey ? "Shift+" : ""}${event.key.toLowerCase()}` : event.key;
    const moved = event.target.closest("input[type=radio], input[type=range]");
    const field = event.target.closest("select, input[type=number]") || (moved && key.startsWith("Arrow"));
    const pressed = event.target.closest("aside button, a, input[type=checkbox], input[type=radio]:not(:checked)");
    const presses = pressed && (key === " " || key === "Enter");
    const action = actions.get(key);
    if (help.open || event.altKey || field || presses || !action) return;
    event.preventDefault();
    document.body.classList.add("keyboard");
    action(key);
  });
  document.addEventListener("pointerdown", () => document.body.classList.remove("keyboard"));
  document.getElementById("open-help").addEventListener("click", () => help.showModal());
  showKeys(table);
}

const KEY_NAMES = {" ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc"};

function showKeys(table) {
  const rows = table.flatMap(([keys, text]) => {
    const term = document.createElement("dt");
    const value = document.createElement("dd");
    keys.forEach((key) => {
      const cap = document.createElement("kbd");
      cap.textContent = KEY_NAMES[key] ?? key;
      term.append(cap, " ");
    });
    value.textContent = text;
    return [term, value];
  });
  document.getElementById("keys").replaceChildren(...rows);
}
