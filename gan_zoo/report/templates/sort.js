"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // Tables: sorted by a column, numbers by value, empty cells last.
  const number = (cell) => parseFloat(cell.textContent.replace(/,/g, "").replace(/^[^\d.+-]+/, ""));
  const scales = { s: 1, min: 60, h: 3600 };
  const value = (cell) => {
    const found = number(cell), unit = /^[\d.,]+ (s|min|h)\b/.exec(cell.textContent.trim());
    return unit ? found * scales[unit[1]] : found;
  };
  const sort = (table, column, head) => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of all("th", table.tHead)) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows];
    const numeric = head.classList.contains("number");
    const compare = (a, b) => {
      if (!numeric) return a.textContent.localeCompare(b.textContent) * (up ? 1 : -1);
      const [first, second] = [value(a), value(b)];
      if (isNaN(first) || isNaN(second)) return isNaN(first) - isNaN(second);
      return (first - second) * (up ? 1 : -1);
    };
    rows.sort((a, b) => compare(a.cells[column], b.cells[column]));
    table.tBodies[0].append(...rows);
  };
  for (const table of all("table.sortable")) {
    all("th", table.tHead).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, column, head));
    });
  }
})();
