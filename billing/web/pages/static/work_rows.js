// Keys of a work list: J and K move, Enter presses the button of the row, M opens its menu, U reverts, / searches.
// The letters of an open menu choose its entries. Letters count only outside of fields.
const rows = () => [...document.querySelectorAll("[data-row]")];
const currentRow = () => document.querySelector("[data-row].now") ?? rows()[0];

function choose(row) {
  if (!row) return;
  for (const each of rows()) {
    each.classList.toggle("now", each === row);
    if (each === row) each.setAttribute("aria-current", "true");
    else each.removeAttribute("aria-current");
  }
  (row.querySelector("[data-press]") ?? row.querySelector("a"))?.focus({preventScroll: true});
  row.scrollIntoView({block: "nearest"});
}

function move(step) {
  const all = rows();
  choose(all[Math.min(all.length - 1, Math.max(0, all.indexOf(currentRow()) + step))]);
}

function press(key, within) {
  const found = within.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!found) return false;
  if (found.matches("input, select, textarea")) found.focus();
  else found.click();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const target = event.target;
  if (target.matches?.("input, select, textarea, [contenteditable]")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  const open = document.querySelector("details.menu[open]");
  const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  let done = true;
  if (open && key === "Escape") open.open = false;
  else if (open && press(key, open)) done = true;
  else if (key === "J") move(1);
  else if (key === "K") move(-1);
  else if (key === "M") {
    const menu = currentRow()?.querySelector("details.menu");
    if (menu) {
      menu.open = !menu.open;
      menu.querySelector("a, button")?.focus();
    }
  } else if (key === "Enter" && (target === document.body || target.matches?.("[data-row]"))) {
    currentRow()?.querySelector("[data-press]")?.click();
  } else if (key === "U" || key === "/") done = press(key, document);
  else done = false;
  if (done) event.preventDefault();
});
