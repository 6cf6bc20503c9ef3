"use strict";
// Copy buttons appear only where this script runs; the text can be selected without them.
for (const button of document.querySelectorAll("button.copy")) {
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

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
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
