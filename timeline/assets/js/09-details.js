// One task: what it was given, what it gave, and what it did when; and the tip beside the pointer.
function part(title, ...nodes) { return nodes.length ? [el("h3", {}, title), ...nodes] : []; }
function block(text, name) {
  if (!text) return [];
  const more = text.left_out ? [el("p", { class: "quiet" }, text.text ? `${text.left_out.toLocaleString()} more characters: fanwise show ${run.thread_id} --task ${view.selected}` : `${text.left_out.toLocaleString()} bytes, kept apart`)] : [];
  return part(name, ...(text.text ? [el("pre", { dir: "auto", tabindex: "0", "aria-label": name }, text.text)] : []), ...more);
}
function links(ids) {
  const known = ids.filter((id) => byId.has(id)), most = 40;
  return [el("div", { class: "links" }, ...known.slice(0, most).map((id) => el("button", { type: "button", dir: "auto", onclick: () => select(id) }, cut(id, 60))), known.length > most ? `and ${known.length - most} more` : null)];
}
function figures(row) {
  const parts = [["specialist", row.aggregate ? `combines: ${row.aggregate}` : row.specialist], ["status", words(row.status) + (row.fallback ? " (by its fallback)" : "") + (row.by_choice ? " (by choice)" : "")],
    ["phase", String(row.phase)], ["queued", duration(row.queued_s)], ["took", duration(row.duration_s)]];
  if (row.start !== undefined && row.start !== null) parts.push(["started", `+${duration(row.start)}, ${clock(row.start)}`]);
  if (row.end !== undefined && row.end !== null) parts.push(["ended", `+${duration(row.end)}`]);
  if (row.usage) parts.push(["used", used(row.usage) || JSON.stringify(row.usage)]);
  return el("table", {}, el("tbody", {}, ...parts.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, el("bdi", {}, value))))));
}
function course(row) {
  const head = el("thead", {}, el("tr", {}, ...["what", "from", "for"].map((name) => el("th", { scope: "col" }, name))));
  return [el("table", {}, head, el("tbody", {}, ...row.segments.map((s) => el("tr", {}, el("td", {}, what(s)), el("td", {}, `+${duration(s.start)}`), el("td", {}, duration(endOf(s) - s.start))))))];
}
function what(s) {
  if (s.kind !== "attempt") return WAITS[s.kind] + (s.open ? " (now)" : "");
  return [`${s.turn > 1 ? `turn ${s.turn}, ` : ""}attempt${s.attempt ? ` ${s.attempt}` : ""}: ${s.status === "asked" ? "asked a person" : words(s.status || "")}`, s.specialist ? `by ${s.specialist}` : "", s.error, used(s.usage)].filter(Boolean).join(", ");
}
function drawDetails() {
  const row = byId.get(view.selected), node = $("details");
  node.hidden = !row || !view.opened;
  if (node.hidden) return;
  const close = el("button", { type: "button", class: "icon close", "aria-label": "Close", onclick: closeDetails }, "✕");
  node.replaceChildren(close, el("h2", {}, el("bdi", {}, row.id)), ...(row.title ? [el("p", { dir: "auto" }, row.title)] : []),
    ...(row.critical ? [el("p", {}, "◆ on the critical path")] : []), ...(row.description ? [el("p", { dir: "auto", class: "quiet" }, row.description)] : []), figures(row),
    ...(row.error ? part("error", el("pre", { class: "error", dir: "auto", tabindex: "0", "aria-label": "error" }, row.error)) : []),
    ...block(row.output, "output"), ...block(row.input, "input"),
    ...((row.reviews || []).length ? part("reviewed", ...row.reviews.map((r) => el("p", { dir: "auto" }, `${r.when}: ${r.decision}${r.by_default ? " by default" : ""}${r.message ? `, ${r.message}` : ""}`))) : []),
    ...(row.remote ? part("worked at", el("p", { dir: "auto" }, row.remote)) : []),
    ...(row.segments.length ? part("course", ...course(row)) : []),
    ...(row.depends_on.length ? part("waits for", ...links(row.depends_on)) : []), ...(later.has(row.id) ? part("waited for by", ...links(later.get(row.id))) : []),
    ...((row.let_go || []).length ? part("went on without", ...links(row.let_go)) : []));
}
let opener = null;
function closeDetails() { view.opened = false; view.selected = null; drawDetails(); refresh(); if (opener?.isConnected) opener.focus(); else $("tree").querySelector('[tabindex="0"]')?.focus(); }
function choose(id) { view.selected = id; reveal(id); draw(); if (view.opened) drawDetails(); }
function select(id) {
  const inside = $("details").contains(document.activeElement);
  if (!inside) opener = document.activeElement;
  view.opened = true; view.selected = id; drawDetails(); reveal(id); draw();
  $("details").scrollTop = 0;
  if (inside) $("details").querySelector(".close").focus();
}
function hover(id) { if (view.hover !== id) { view.hover = id; draw(); } }
function tip(event, [row, segment]) {
  const node = $("tip"), rest = [[words(row.status), row.specialist].join(" · ")];
  if (segment) rest.push(`${what(segment)}: ${duration(endOf(segment) - segment.start)}`, `+${duration(segment.start)} to +${duration(endOf(segment))}`);
  else rest.push(`queued ${duration(row.queued_s)}, took ${duration(row.duration_s)}`);
  if (row.usage) rest.push(used(row.usage));
  if (row.error) rest.push(cut(row.error, 160)); else if (row.output?.text) rest.push(cut(row.output.text.replace(/\s+/g, " "), 100));
  node.replaceChildren(el("b", { dir: "auto" }, cut(row.title ? `${row.id}: ${row.title}` : row.id)), ...rest.filter(Boolean).map((text) => el("div", { dir: "auto" }, text)));
  node.hidden = false;
  const { width, height } = node.getBoundingClientRect(), x = event.clientX + 14, y = event.clientY + 16;
  node.style.left = `${Math.max(4, Math.min(x, window.innerWidth - width - 8))}px`;
  node.style.top = `${y + height > window.innerHeight ? Math.max(4, event.clientY - height - 10) : y}px`;
}
function hideTip() { $("tip").hidden = true; }
