// The chart: bars on a canvas that stays in sight, names in a tree beside it; only what is in sight is drawn.
function rowHeight() { return view.dense ? Math.max(0.5, Math.min(26, $("scroller").clientHeight / Math.max(1, lines.length))) : 26; }
function leftWidth() { return window.innerWidth < 700 ? 118 : Math.min(300, Math.max(190, window.innerWidth * 0.2)); }

function drawGantt() {
  const scroller = $("scroller"), high = rowHeight(), left = leftWidth();
  $("gantt").style.setProperty("--left", `${left}px`);
  scale.width = Math.max(50, scroller.clientWidth - left);
  $("space").style.height = `${Math.max(lines.length * high, scroller.clientHeight)}px`;
  $("gantt").classList.toggle("dense", high < 14);
  $("empty").hidden = lines.length > 0;
  $("empty").textContent = run.rows.length ? (view.tab === "slots" && shown.length ? "No attempt has begun yet." : "No task matches the filter.") : "This run's plan has no tasks.";
  drawOverview(); drawAxis(); drawBars(high); drawTree(high);
}
function drawAxis() {
  const pen = canvas("axis", scale.width, 24), { step, moments } = ticks();
  pen.font = `11px ${FONT}`; pen.fillStyle = colour("quiet"); pen.textBaseline = "middle";
  let free = -1e9;
  for (const t of moments) {
    const x = at(t), text = tickText(t, step), size = pen.measureText(text).width;
    const stop = scale.breaks.find((b) => b.idle && b.t0 >= t - 1e-9);
    if (x + 3 < free || x + 6 + size > (stop ? at(stop.t0) : scale.width)) continue;
    pen.fillRect(x, 16, 1, 8); pen.fillText(text, x + 4, 12); free = x + size + 12;
  }
  for (const part of scale.breaks.filter((b) => b.idle)) {
    const x = at(part.t0), w = at(part.t1) - x, text = duration(part.t1 - part.t0), size = pen.measureText(text).width;
    pen.clearRect(x, 0, w, 24); if (x + w < 0 || x > scale.width) { pen.fillStyle = colour("quiet"); continue; }
    const begin = Math.max(2, Math.min(x + (w - size) / 2, scale.width - size - 2));
    pen.clearRect(begin - 4, 0, size + 8, 24); pen.fillStyle = colour("paused"); pen.fillText(text, begin, 12); pen.fillStyle = colour("quiet");
  }
}
function drawBars(high) {
  const scroller = $("scroller"), seen = scroller.clientHeight, top = scroller.scrollTop, pen = canvas("lanes", scale.width, seen);
  const first = Math.floor(top / high), last = Math.min(lines.length, Math.ceil((top + seen) / high) + 1);
  for (const part of scale.breaks.filter((b) => b.idle)) { pen.fillStyle = pattern(pen, "hatch", colour("bg"), colour("panel")); pen.fillRect(at(part.t0), 0, at(part.t1) - at(part.t0), seen); }
  pen.fillStyle = colour("soft");
  for (const t of ticks().moments) pen.fillRect(Math.round(at(t)), 0, 1, seen);
  for (let i = first; i < last; i++) {
    const y = i * high - top, line = lines[i];
    if (high >= 12) { pen.fillStyle = colour("soft"); pen.fillRect(0, y + high - 0.5, scale.width, 0.5); }
    if (line.row && (line.row.id === view.selected || line.row.id === view.hover)) { pen.fillStyle = colour("hover"); pen.fillRect(0, y, scale.width, high); }
    paintLine(pen, line, y, high);
  }
  paintPath(pen, top, high);
  if (isBusy()) { pen.fillStyle = colour("running"); pen.fillRect(Math.min(at(now()), scale.width - 1), 0, 1, seen); }
}
function isBad(s) { return s.status === "failed" || s.status === "timed_out"; }
function paintLine(pen, line, y, high) {
  const pad = high >= 20 ? 5 : high >= 8 ? 2 : high >= 4 ? 0.5 : 0, height = Math.max(1, high - 2 * pad);
  const parts = line.group ? [...line.segments].sort((a, b) => isBad(a) - isBad(b)) : line.segments;
  for (const s of parts) {
    const x = at(s.start), end = at(endOf(s));
    if (end < -2 || x > scale.width + 2) continue;
    const from = Math.max(x, -4), to = Math.min(end, scale.width + 4), row = s.row || line.row;
    if (line.group) { pen.globalAlpha = line.open ? 0.35 : 0.75; paintSegment(pen, s, from, y + pad + 2, Math.max(to - from, 1), Math.max(2, height - 4), false); pen.globalAlpha = 1; continue; }
    paintSegment(pen, s, from, y + pad, to - from - (line.slot ? 1 : 0), height, row.critical);
    if (s.kind === "attempt") inBar(pen, labels(line, s, row), from, y + pad, to - from, height);
    if (line.slot && row.id === view.selected) { pen.strokeStyle = colour("ink"); pen.lineWidth = 2; pen.strokeRect(from, y + pad, Math.max(2, to - from), height); }
  }
}
function labels(line, s, row) {
  const took = duration(endOf(s) - s.start);
  return line.slot ? [`${row.id} · ${took}`, row.id] : s.attempt > 1 ? [`${took} · attempt ${s.attempt}`, took] : [took];
}
// The critical path as a line from bar to bar, and what the chosen task waited for.
function paintPath(pen, top, high) {
  if (view.tab === "slots" || view.group) return;
  const place = new Map(lines.map((line, i) => [line.row?.id, i * high + high / 2 - top]));
  const link = (a, b, ink, width) => {
    const one = byId.get(a), two = byId.get(b);
    if (!one || !two || !place.has(a) || !place.has(b)) return;
    const worked = one.segments.filter((s) => s.kind === "attempt"), end = worked.length ? endOf(worked[worked.length - 1]) : one.end;
    const start = two.segments.find((s) => s.kind === "attempt" && s.start >= end - 1e-3)?.start ?? two.start ?? two.end;
    if (end === undefined || end === null || start === undefined || start === null) return;
    const x1 = at(end), x2 = at(start), y1 = place.get(a), y2 = place.get(b), bend = Math.max(6, Math.min(40, Math.abs(x2 - x1)));
    pen.strokeStyle = ink; pen.lineWidth = width; pen.beginPath(); pen.moveTo(x1, y1); pen.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2); pen.stroke();
  };
  const path = run.critical || [];
  for (let i = 1; i < path.length; i++) link(path[i - 1], path[i], colour("critical"), high >= 6 ? 2 : 1);
  const chosen = byId.get(view.selected) || byId.get(view.hover);
  if (!chosen) return;
  for (const need of chosen.depends_on) link(need, chosen.id, colour("accent"), 1.5);
  for (const id of later.get(chosen.id) || []) link(chosen.id, id, colour("accent"), 1.5);
}
function told(row) { return [row.title ? `${row.id}, ${row.title}` : row.id, rest(row)].join(", "); }
function rest(row) {
  const parts = [row.specialist, words(row.status)];
  if (row.critical) parts.push("on the critical path");
  if (row.queued_s > 0.001) parts.push(`queued ${duration(row.queued_s)}`);
  if (row.attempts) parts.push(`took ${duration(row.duration_s)}`);
  if (row.attempts > 1) parts.push(`${row.attempts} attempts`);
  if (row.error) parts.push(cut(row.error));
  return parts.join(", ");
}
function drawTree(high) {
  const scroller = $("scroller"), top = scroller.scrollTop, tree = $("tree"), spare = high < 14 ? 0 : 4;
  let first = Math.max(0, Math.floor(top / high) - spare), last = Math.min(lines.length, Math.ceil((top + scroller.clientHeight) / high) + spare);
  if (view.line >= lines.length || view.line === undefined) view.line = 0;
  const held = tree.contains(document.activeElement), wanted = [];
  for (let i = first; i < last; i++) wanted.push(i);
  if (!wanted.includes(view.line) && lines.length) wanted.push(view.line);
  const count = lines.length;
  tree.replaceChildren(...wanted.map((i) => treeLine(lines[i], i, high, count)));
  tree.setAttribute("aria-label", view.tab === "slots" ? "Slots" : "Tasks");
  if (!lines.length) tree.setAttribute("aria-busy", "true"); else tree.removeAttribute("aria-busy");
  if (held) tree.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
}
function treeLine(line, i, high, count) {
  const cell = el("span", {}), named = high >= 14, node = el("div", { role: "treeitem", "data-line": i, tabindex: i === view.line ? "0" : "-1", "aria-posinset": i + 1, "aria-setsize": count, "aria-level": line.inside ? 2 : 1 }, cell);
  node.style.top = `${i * high}px`; node.style.height = `${high}px`;
  if (line.group) {
    node.className = "group"; node.setAttribute("aria-expanded", String(line.open));
    if (!named) node.setAttribute("aria-label", `${line.group}, ${line.rows.length} tasks`);
    cell.append(el("span", { class: "glyph", "aria-hidden": "true" }, line.open ? "▾" : "▸"), el("bdi", {}, line.group), el("bdi", {}, `${line.rows.length} tasks, ${duration(d3.sum(line.rows, (row) => row.duration_s || 0))} of work`));
  } else if (line.slot) {
    if (!named) node.setAttribute("aria-label", `slot ${line.slot}`);
    cell.append(el("bdi", {}, `slot ${line.slot}`), el("bdi", {}, `${line.segments.length} · ${Math.round(100 * line.worked / (now() || 1))} %`), el("span", { class: "out" }, `, ${line.segments.length} attempts, ${duration(line.worked)} of work`));
  } else {
    const row = line.row, glyph = el("span", { class: "glyph", "aria-hidden": "true" }, GLYPHS[row.status]);
    glyph.style.color = colour(row.status);
    if (!named) node.setAttribute("aria-label", told(row));
    node.setAttribute("data-id", row.id); node.setAttribute("aria-selected", String(row.id === view.selected));
    node.classList.toggle("on", row.id === view.selected || row.id === view.hover); node.classList.toggle("inside", Boolean(line.inside));
    cell.append(glyph, el("bdi", {}, cut(row.id, 90)), el("bdi", {}, cut(row.title || row.specialist, 90)));
    if (row.critical) cell.append(el("span", { class: "star", "aria-hidden": "true" }, "◆"));
    cell.append(el("span", { class: "out" }, `, ${row.title ? rest(row) : rest(row).replace(`${row.specialist}, `, "")}`));
  }
  return node;
}
function lineAt(y) { return lines[Math.floor((y + $("scroller").scrollTop) / rowHeight())]; }
function segmentAt(line, x) {
  const t0 = time(x - 3), t1 = time(x + 3), near = line.segments.filter((s) => s.start <= t1 && endOf(s) >= t0);
  return near.find((s) => s.kind === "attempt") || near[0];
}
// Moves what is shown, where a task's work is not in it.
function bringIn(row) {
  const worked = row ? row.segments.filter((s) => s.kind === "attempt") : [];
  if (!worked.length) return;
  const start = folded(worked[0].start), end = folded(endOf(worked[worked.length - 1])), span = scale.high - scale.low;
  if (end < scale.low || start > scale.high) setWindow((start + end - span) / 2, (start + end + span) / 2);
}
function reveal(id) {
  bringIn(byId.get(id));
  const i = lines.findIndex((line) => line.row?.id === id), high = rowHeight(), scroller = $("scroller");
  if (i < 0) return;
  view.line = i;
  if (i * high < scroller.scrollTop) scroller.scrollTop = i * high;
  else if ((i + 1) * high > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = (i + 1) * high - scroller.clientHeight;
}
