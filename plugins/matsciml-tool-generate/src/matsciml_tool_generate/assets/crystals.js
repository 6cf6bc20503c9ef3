"use strict";
// Without this script the list stands as it is, in the order of the file.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((one, other) => compare(key(one, column), key(other, column), down));
      body.append(...rows);
    });
  });
}

function key(row, column) {
  return row.cells[column].dataset.key ?? "";
}

// What is missing comes last, whichever way the list is sorted.
function compare(one, other, down) {
  if (one === "" || other === "") return (one === "") - (other === "");
  const numbers = [Number(one), Number(other)];
  const both = numbers.every(Number.isFinite);
  const order = both ? numbers[0] - numbers[1] : one.localeCompare(other, "en", { numeric: true });
  return down ? -order : order;
}
