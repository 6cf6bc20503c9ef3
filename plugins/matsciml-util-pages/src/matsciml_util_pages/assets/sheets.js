// Sorting and filtering appear only where this script runs; the table is whole without it.
function enhanceSheet(tools) {
  const table = document.getElementById(tools.dataset.sheet);
  const rows = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells];
  const search = tools.querySelector(".search");
  const facets = [...tools.querySelectorAll("select")];
  const places = new Map(heads.map((head, place) => [head.dataset.key, place]));

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !(words.every((word) => text.includes(word)) && facets.every((facet) =>
        !facet.value || row.cells[places.get(facet.dataset.column)].dataset.text === facet.value));
      shown += !row.hidden;
    }
    tools.querySelector(".shown").textContent = `${shown} of ${rows.length} rows`;
  };

  const compare = (place, numeric, direction) => (one, other) => {
    const [a, b] = [one, other].map((row) => row.cells[place].dataset.order);
    // What has no value comes last, whichever way the others are sorted.
    if (a === "" || b === "") return (a === "") - (b === "");
    return direction * (numeric ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  };

  const sort = (place) => {
    const head = heads[place];
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sorted = [...rows].sort(compare(place, "numeric" in head.dataset, down ? -1 : 1));
    table.tBodies[0].append(...sorted);
  };

  heads.forEach((head, place) => {
    const name = head.querySelector(".name");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    name.replaceWith(button);
    button.append(name);
    button.addEventListener("click", () => sort(place));
  });
  search.addEventListener("input", filter);
  for (const facet of facets) facet.addEventListener("change", filter);
  tools.querySelector(".reset").addEventListener("click", () => {
    search.value = "";
    for (const facet of facets) facet.value = "";
    filter();
    search.focus();
  });
  tools.hidden = rows.length < 4;  // nobody searches three rows
  filter();
}
for (const tools of document.querySelectorAll(".tools")) enhanceSheet(tools);
