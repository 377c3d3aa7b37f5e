"use strict";
(() => {
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];

  // Tables: sorted by a column, durations by length, bounds ("more than") after values, empty cells last.
  const scales = { s: 1, min: 60, h: 3600 };
  const value = (cell) => {
    const text = (cell.firstChild ? cell.firstChild.textContent : "").trim().replace(/,(?=\d)/g, "");
    const found = parseFloat(text.replace(/^[^\d.+-]+/, "")), unit = /^[^\d]*[\d.]+(?: ?\[[^\]]*\])? ?(s|min|h)\b/.exec(text);
    return found * (unit ? scales[unit[1]] : 1) + (text.startsWith("more than") ? 1e12 : 0);
  };
  const sort = (table, column, head) => {
    const better = head.textContent.includes("\u2191") ? "descending" : "ascending", worse = better === "ascending" ? "descending" : "ascending";
    const up = (head.getAttribute("aria-sort") === better ? worse : better) === "ascending";
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
