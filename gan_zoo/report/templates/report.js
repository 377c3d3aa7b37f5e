"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  root.classList.add("js");

  // Legends: a variant is switched on and off everywhere at once.
  const switches = all(".switch");
  const show = (variant, on) => {
    for (const button of switches) if (button.dataset.variant === variant) button.setAttribute("aria-pressed", String(on));
    for (const part of all("[data-variant]")) if (part.dataset.variant === variant && !part.matches(".switch")) part.classList.toggle("off", !on);
  };
  for (const button of switches) button.addEventListener("click", () => show(button.dataset.variant, button.getAttribute("aria-pressed") === "false"));

  // Curves: of all charts the chosen one is shown; the axis stays, if there is a chart for it.
  const charts = one("#charts"), others = one("#other-curves");
  if (others) {
    charts.append(...all("figure", others));
    others.remove();
  }
  const curves = all("figure.curve");
  const [chosenX, chosenY] = [one("#curve-x"), one("#curve-y")];
  const choose = () => {
    const available = curves.filter((chart) => chart.dataset.y === chosenY.value);
    const shown = available.find((chart) => chart.dataset.x === chosenX.value) || available[0];
    for (const chart of curves) chart.hidden = chart !== shown;
    for (const option of chosenX.options) option.disabled = !available.some((chart) => chart.dataset.x === option.value);
    if (shown) chosenX.value = shown.dataset.x;
  };
  if (curves.length) {
    chosenX.addEventListener("change", choose);
    chosenY.addEventListener("change", choose);
    choose();
  }

  // Samples: frames of the chosen kind, seed and evaluation, or of the nearest one that has been recorded.
  for (const fold of all("#frames details")) fold.replaceWith(...all(".frame", fold));
  const tabs = all("[role=tab]"), step = one("#step"), seed = one("#seed"), panel = one("#frames");
  const groups = all("#frames article").map((article) => all(".frame", article));
  const nearest = (frames, place) => {
    const before = frames.filter((frame) => Number(frame.dataset.place) <= place);
    const places = (before.length ? before : frames).map((frame) => Number(frame.dataset.place));
    return before.length ? Math.max(...places) : Math.min(...places);
  };
  const arrange = () => {
    const kind = (tabs.find((tab) => tab.getAttribute("aria-selected") === "true") || { dataset: {} }).dataset.kind;
    const last = step ? Number(step.max) : 0, place = step ? Number(step.value) : 0;
    let moves = false;
    for (const frames of groups) {
      const mine = frames.filter((frame) => frame.dataset.kind === kind);
      const seeds = new Set(mine.map((frame) => frame.dataset.seed));
      const chosen = seed && seeds.has(seed.value) ? seed.value : mine.length ? mine[0].dataset.seed : "";
      const ofSeed = mine.filter((frame) => frame.dataset.seed === chosen);
      moves ||= ofSeed.length > 1;
      const at = nearest(ofSeed, kind === "grid" || kind === "histogram" ? place : last);
      for (const frame of frames) frame.hidden = !(ofSeed.includes(frame) && Number(frame.dataset.place) === at);
      if (frames.length) frames[0].closest("article").hidden = !mine.length;
    }
    for (const note of all("[data-note]")) note.hidden = note.dataset.note !== kind;
    if (step) {
      step.parentElement.hidden = one("output[for=step]").hidden = !moves;
      const seen = step.dataset.texts.split("|")[moves ? place : last];
      one("output[for=step]").value = seen;
      step.setAttribute("aria-valuetext", seen);
    }
  };
  const select = (tab) => {
    for (const other of tabs) {
      other.setAttribute("aria-selected", String(other === tab));
      other.tabIndex = other === tab ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", tab.id);
    arrange();
  };
  if (tabs.length) {
    tabs.forEach((tab, index) => {
      tab.addEventListener("click", () => select(tab));
      tab.addEventListener("keydown", (event) => {
        const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!move) return;
        const next = tabs[(index + move + tabs.length) % tabs.length];
        select(next);
        next.focus();
      });
    });
    for (const input of [step, seed]) if (input) input.addEventListener("input", arrange);
    select(tabs[0]);
  }

  // Metrics: rows by name, columns by choice.
  const tables = all("table.values"), filter = one("#filter"), columns = one("#columns");
  if (filter) filter.addEventListener("input", () => {
    const sought = filter.value.trim().toLowerCase().split("*");
    const matches = (name) => sought.reduce((from, part) => (from < 0 ? from : name.indexOf(part, from) < 0 ? -1 : name.indexOf(part, from) + part.length), 0) >= 0;
    for (const row of tables.flatMap((table) => [...table.tBodies[0].rows])) row.hidden = !matches((row.dataset.variant || row.cells[0].textContent).toLowerCase());
    one("#matches").value = tables.some((table) => [...table.tBodies[0].rows].some((row) => !row.hidden)) ? "" : "no variant matches";
  });
  const titles = [...new Set(tables.flatMap((table) => all("thead th", table).map((head) => head.textContent)))];
  for (const title of columns ? titles.filter((title) => title !== "variant") : []) {
    const label = document.createElement("label"), box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    label.append(box, ` ${title}`);
    columns.append(label);
    box.addEventListener("change", () => {
      for (const table of tables) {
        const column = all("thead th", table).findIndex((head) => head.textContent === title);
        if (column >= 0) for (const row of table.rows) row.cells[column].hidden = !box.checked;
      }
    });
  }

  // The values of a point under the pointer; its <title> serves where there is no script.
  const tip = one("#tip");
  for (const title of all("[data-tip] > title")) title.remove();
  document.addEventListener("pointerover", (event) => {
    const point = event.target.closest("[data-tip]");
    tip.hidden = !point;
    if (point) tip.textContent = point.dataset.tip;
  });
  document.addEventListener("pointermove", (event) => {
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${event.clientY + 16}px`;
  });

  // The section in view.
  const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  for (const section of all("main > section")) watch.observe(section);

  // A printed page has no folds.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    for (const fold of folded) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of folded) fold.open = false;
  });
})();
