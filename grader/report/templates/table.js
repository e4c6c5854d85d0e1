"use strict";
(() => {
  const table = document.getElementById("table"), body = table.tBodies[0];
  const rows = [...body.rows].map(row => ({ row, text: row.textContent.toLowerCase(), cells: [...row.cells].map(cell => cell.textContent) }));
  const heads = [...table.tHead.rows[0].cells], place = name => heads.findIndex(head => head.textContent.startsWith(name));
  const status = place("status"), flags = place("flags"), late = place("late");
  const find = document.getElementById("find"), chosen = document.getElementById("status");
  const flagged = document.getElementById("flagged"), onlyLate = document.getElementById("late"), shown = document.getElementById("shown");
  const collator = new Intl.Collator(undefined, { numeric: true });

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { row, text, cells } of rows) {
      const fits = words.every(word => text.includes(word)) && (!chosen.value || cells[status].split(",")[0] === chosen.value)
        && (!flagged?.checked || cells[flags]) && (!onlyLate?.checked || cells[late]);
      row.hidden = !fits;
      count += fits ? 1 : 0;
    }
    shown.textContent = `${count} of ${rows.length}`;
  }

  function sort(head, at) {
    const down = head.ariaSort === "ascending" || (head.ariaSort !== "descending" && head.dataset.sort === "number");
    const number = cell => { const value = parseFloat(cell); return Number.isNaN(value) ? -Infinity : value; };
    const compare = head.dataset.sort === "number" ? (a, b) => number(a.cells[at]) - number(b.cells[at]) || 0 : (a, b) => collator.compare(a.cells[at], b.cells[at]);
    rows.sort((a, b) => down ? compare(b, a) : compare(a, b));
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows.map(one => one.row));
  }

  heads.forEach((head, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(head, at));
    head.replaceChildren(button);
  });
  for (const field of [find, chosen, flagged, onlyLate]) field?.addEventListener("input", filter);
  find.form.addEventListener("submit", event => event.preventDefault());
  filter();
})();
