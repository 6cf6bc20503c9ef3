// Asks whether the page has changed, and puts what has in the place of what was there: no reload, so
// that sorting, filters, the focus and the place on the page stay.
const site = document.querySelector(".site");
const soonest = Number(site.dataset.milliseconds);
const sources = new Map(); // parts as the server sent them last; scripts have changed those shown
let mark = site.dataset.mark;

function say(text) {
  const live = document.getElementById("live");
  live.hidden = !text;
  if (live.textContent !== text) live.textContent = text;
}

async function look() {
  const begun = performance.now();
  let again = true;
  try {
    const answer = await fetch(location.pathname, { headers: { "If-None-Match": `"${mark}"` } });
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    again = answer.status !== 403;
    if (answer.ok || answer.status === 304) say("");
    else say(again ? "This page is no longer there." : "Started again: open the address that it has printed.");
  } catch {
    say("The server has ended; what is shown is the last it said.");
  }
  // A page that takes long to draw is asked for less often: the run needs the processor more.
  if (again) setTimeout(next, Math.max(soonest, 5 * (performance.now() - begun)));
}

function next() {
  if (!document.hidden) look();
  else document.addEventListener("visibilitychange", next, { once: true });
}

function show(fresh) {
  if (isSelecting()) return; // whoever copies a number, or chooses from a list, keeps it
  mark = fresh.querySelector(".site").dataset.mark;
  document.title = fresh.title;
  const ids = (page) => [...page.querySelectorAll("main > section")].map((part) => part.id).join(" ");
  const whole = ids(fresh) !== ids(document);
  const parts = whole ? ["header", "main"] : ["header", ...[...fresh.querySelectorAll("main > section")].map((part) => `#${CSS.escape(part.id)}`)];
  for (const name of parts) {
    const part = fresh.querySelector(name);
    const text = part.outerHTML;
    if (sources.get(name) === text) continue;
    sources.set(name, text);
    replace(document.querySelector(name), document.importNode(part, true));
  }
}

function isSelecting() {
  return !getSelection().isCollapsed || document.activeElement?.tagName === "SELECT";
}

function replace(old, part) {
  const kept = keep(old);
  old.replaceWith(part);
  for (const tools of part.querySelectorAll(".tools")) enhanceSheet(tools);
  for (const button of part.querySelectorAll("button.copy")) enhanceCopy(button);
  for (const table of part.querySelectorAll("table.elements")) enhanceElements(table);
  restore(part, kept);
}

const stops = (part) => [...part.querySelectorAll("a, button, input, summary, [tabindex]")];

// What a reader has done to a part of the page.
function keep(part) {
  const active = document.activeElement;
  return {
    focus: stops(part).indexOf(active),
    caret: active?.matches?.("input") ? [active.selectionStart, active.selectionEnd] : null,
    open: [...part.querySelectorAll("details")].map((item) => item.open),
    left: [...part.querySelectorAll(".scroll")].map((item) => item.scrollLeft),
    sheets: [...part.querySelectorAll(".tools")].map((tools) => {
      const head = document.getElementById(tools.dataset.sheet).querySelector("th[aria-sort]");
      return {
        id: tools.dataset.sheet,
        search: tools.querySelector(".search").value,
        chosen: [...tools.querySelectorAll("select")].map((one) => [one.dataset.column, one.value]),
        sorted: head && [head.dataset.key, head.getAttribute("aria-sort")],
      };
    }),
  };
}

function restore(part, kept) {
  for (const sheet of kept.sheets) {
    const tools = part.querySelector(`.tools[data-sheet="${CSS.escape(sheet.id)}"]`);
    if (!tools) continue;
    const search = tools.querySelector(".search");
    search.value = sheet.search;
    for (const [column, value] of sheet.chosen) {
      const list = tools.querySelector(`select[data-column="${CSS.escape(column)}"]`);
      if (list && [...list.options].some((one) => one.value === value)) list.value = value;
    }
    search.dispatchEvent(new Event("input"));
    const button = sheet.sorted && document.getElementById(sheet.id).querySelector(`th[data-key="${CSS.escape(sheet.sorted[0])}"] .sort`);
    if (button) button.click();
    if (button && sheet.sorted[1] === "descending") button.click();
  }
  part.querySelectorAll("details").forEach((item, place) => { item.open = Boolean(kept.open[place]); });
  part.querySelectorAll(".scroll").forEach((item, place) => { item.scrollLeft = kept.left[place] ?? 0; });
  const stop = kept.focus < 0 ? null : stops(part)[kept.focus];
  if (!stop) return;
  stop.focus({ preventScroll: true });
  if (kept.caret && stop.matches("input")) stop.setSelectionRange(...kept.caret);
}

setTimeout(next, soonest);
