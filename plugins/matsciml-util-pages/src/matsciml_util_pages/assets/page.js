"use strict";
// Copy buttons appear only where this script runs; the text can be selected without them.
function enhanceCopy(button) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.firstChild;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const done = await copy(source);
    label.data = done ? "Copied" : "Press Ctrl+C";
    document.getElementById("copied").textContent = done ? "Copied" : "Selected; press Control C";
    setTimeout(() => { label.data = "Copy"; }, 2000);
  });
}
for (const button of document.querySelectorAll("button.copy")) enhanceCopy(button);

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}

// A map of elements is one stop of the Tab key; arrow keys move inside, and a tip says what the cell
// under the pointer or the focus means. Without this script its cells have plain titles.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("aria-hidden", "true"); // the cells have the same words as their names
document.body.append(tip);
let tipped = null;

function showTip(cell) {
  tipped = cell;
  tip.hidden = !cell;
  if (!cell) return;
  tip.textContent = cell.getAttribute("aria-label");
  const place = cell.getBoundingClientRect();
  const left = place.left + (place.width - tip.offsetWidth) / 2;
  const above = place.top - tip.offsetHeight - 6;
  tip.style.left = `${Math.max(4, Math.min(left, document.documentElement.clientWidth - tip.offsetWidth - 4))}px`;
  tip.style.top = `${above < 4 ? place.bottom + 6 : above}px`;
}

function enhanceElements(table) {
  const cells = [...table.querySelectorAll(".element")];
  table.setAttribute("role", "grid");
  cells.forEach((cell, number) => {
    cell.setAttribute("aria-label", cell.title);
    cell.removeAttribute("title");
    cell.tabIndex = number ? -1 : 0;
  });
  table.addEventListener("focusin", (event) => {
    for (const cell of cells) cell.tabIndex = cell === event.target ? 0 : -1;
    showTip(event.target);
  });
  table.addEventListener("focusout", () => showTip(null));
  table.addEventListener("pointerover", (event) => showTip(event.target.closest(".element")));
  table.addEventListener("pointerleave", () => {
    showTip(cells.includes(document.activeElement) ? document.activeElement : null);
  });
  table.addEventListener("keydown", (event) => {
    const next = neighbour(cells, event.target, event.key);
    if (event.key === "Escape") showTip(null);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}
for (const table of document.querySelectorAll("table.elements")) enhanceElements(table);
addEventListener("scroll", () => showTip(tipped), { capture: true, passive: true });

// The nearest cell in the direction of a key; rows may have gaps.
function neighbour(cells, cell, key) {
  const here = cells.indexOf(cell);
  if (key === "ArrowRight" || key === "ArrowLeft") return cells[here + (key === "ArrowRight" ? 1 : -1)];
  if (key === "Home" || key === "End") return cells.at(key === "Home" ? 0 : -1);
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  const step = key === "ArrowDown" ? 1 : -1;
  const row = (one) => step * one.parentElement.rowIndex;
  const beyond = cells.filter((one) => row(one) > row(cell));
  const nearest = Math.min(...beyond.map(row));
  const off = (one) => Math.abs(one.offsetLeft - cell.offsetLeft);
  return beyond.filter((one) => row(one) === nearest).sort((one, other) => off(one) - off(other))[0];
}

// Paper has no disclosure triangles.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const item of opened) item.open = true;
});
addEventListener("afterprint", () => {
  for (const item of opened) item.open = false;
});
