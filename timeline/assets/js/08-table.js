// The same run as a table: complete, for reading by ear, for copying, and for sorting by any column.
const COLUMNS = [["task", (row) => row.id], ["title", (row) => row.title || ""], ["specialist", (row) => row.specialist], ["status", (row) => words(row.status)],
  ["phase", (row) => row.phase, 1], ["start", (row) => row.start ?? null, 1], ["queued", (row) => row.queued_s || 0, 1], ["took", (row) => row.duration_s || 0, 1],
  ["attempts", (row) => row.attempts || 0, 1], ["critical", (row) => row.critical ? "yes" : ""], ["used", (row) => used(row.usage)], ["error", (row) => row.error || ""]];
const table = { by: null, down: false };
function drawTable() {
  const column = COLUMNS.find(([name]) => name === table.by), rows = [...shown];
  if (column) rows.sort((a, b) => d3.ascending(column[1](a), column[1](b)) * (table.down ? -1 : 1));
  const columns = COLUMNS.filter(([name, read]) => !["title", "used", "error"].includes(name) || run.rows.some(read));
  const heads = columns.map(([name, , right]) => el("th", { scope: "col", class: right ? "n" : null, "aria-sort": table.by === name ? (table.down ? "descending" : "ascending") : null },
    el("button", { type: "button", onclick: () => { table.down = table.by === name && !table.down; table.by = name; drawTable(); } }, `${name}${table.by === name ? (table.down ? " ▾" : " ▴") : ""}`)));
  const body = rows.map((row) => el("tr", {}, ...columns.map(([name, read, right]) => {
    if (name === "task") return el("th", { scope: "row" }, el("button", { type: "button", dir: "auto", onclick: () => select(row.id) }, cut(row.id)));
    const value = read(row);
    return el("td", { class: right ? "n" : null, dir: right ? null : "auto" }, ["start", "queued", "took"].includes(name) ? duration(value) : cut(String(value), 160));
  })));
  $("table").replaceChildren(el("table", {}, el("caption", { class: "out" }, "Tasks of the run"), el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...body)));
}
