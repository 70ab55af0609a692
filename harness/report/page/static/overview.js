// The table of trials: sorted and filtered in place, both kept in the address.
"use strict";

(() => {
  const table = document.getElementById("trial-table");
  const form = document.getElementById("filters");
  if (!table || !form) return;
  const body = table.tBodies[0];
  const columns = { verdict: 0, segment: 1, replayer: 2, device: 3, words: 4, frame: 5, busy: 6 };
  const order = ["FAIL", "ERROR", "QUARANTINED", "PASS"];
  const rows = Array.from(body.rows, (element, place) => ({
    element,
    place,
    verdict: element.dataset.verdict,
    replayer: element.dataset.replayer,
    kind: element.dataset.kind,
    text: element.textContent.toLowerCase(),
  }));

  function keyOf(row, name) {
    if (name === "verdict") return order.indexOf(row.verdict);
    const text = row.element.cells[columns[name]].textContent.trim();
    if (name === "frame" || name === "busy") {
      const number = parseFloat(text.replace(/^\D+/, ""));
      return Number.isNaN(number) ? Infinity : number;
    }
    return text;
  }

  function sort(name, direction) {
    const sign = direction === "descending" ? -1 : 1;
    const keyed = rows.map((row) => ({ row, key: name ? keyOf(row, name) : row.place }));
    keyed.sort((one, other) => {
      if (typeof one.key === "string") return sign * one.key.localeCompare(other.key, "en", { numeric: true });
      // What has no number stays at the end, whichever way it is sorted.
      if (one.key === Infinity || other.key === Infinity) return (one.key === Infinity) - (other.key === Infinity);
      return sign * (one.key - other.key);
    });
    body.append(...keyed.map(({ row }) => row.element));
    for (const head of table.tHead.rows[0].cells) {
      const mine = head.querySelector("[data-sort]").dataset.sort === name;
      head.setAttribute("aria-sort", mine ? direction : "none");
    }
  }

  function filter(state) {
    const words = (state.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits = ["verdict", "replayer", "kind"].every((name) => !state.get(name) || row[name] === state.get(name))
        && words.every((word) => row.text.includes(word));
      row.element.hidden = !fits;
      shown += fits;
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length}`;
    document.getElementById("empty").hidden = shown > 0;
    for (const tile of document.querySelectorAll(".tile")) {
      const mine = new URLSearchParams(tile.hash.slice(1)).get("verdict") === state.get("verdict");
      if (mine) tile.setAttribute("aria-current", "true");
      else tile.removeAttribute("aria-current");
    }
  }

  let sorted = "";
  function show() {
    const state = closet.readState();
    for (const field of form.elements) {
      if (field.name && field.value !== (state.get(field.name) || "")) field.value = state.get(field.name) || "";
    }
    const name = state.get("sort") in columns ? state.get("sort") : "";
    const direction = state.get("order") === "descending" ? "descending" : "ascending";
    if (`${name} ${direction}` !== sorted && (name || sorted)) sort(name, direction);
    sorted = name ? `${name} ${direction}` : "";
    filter(state);
  }

  form.addEventListener("input", () => {
    closet.writeState(Object.fromEntries(Array.from(form.elements).filter((field) => field.name).map((f) => [f.name, f.value])));
    show();
  });
  form.addEventListener("submit", (event) => event.preventDefault());

  function clear() {
    closet.writeState({ q: null, verdict: null, replayer: null, kind: null });
    show();
  }
  form.addEventListener("reset", (event) => { event.preventDefault(); clear(); });
  document.querySelector("[data-clear]").addEventListener("click", clear);

  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("[data-sort]");
    if (!button) return;
    const rising = button.closest("th").getAttribute("aria-sort") !== "ascending";
    closet.writeState({ sort: button.dataset.sort, order: rising ? null : "descending" });
    show();
  });

  for (const tile of document.querySelectorAll(".tile")) {
    tile.addEventListener("click", (event) => {
      event.preventDefault();
      const verdict = new URLSearchParams(tile.hash.slice(1)).get("verdict");
      closet.writeState({ verdict: closet.readState().get("verdict") === verdict ? null : verdict });
      show();
    });
  }

  addEventListener("hashchange", show);
  show();
})();
