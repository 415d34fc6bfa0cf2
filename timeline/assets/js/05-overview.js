// The whole run above the chart: how much worked and queued at each moment. Dragging over it chooses what is shown.
let brushed = null, counted = {};
// How much worked, queued and came to fail in each cell; counted anew only where that may have changed.
function countCells(cells) {
  const key = `${run.version} ${cells} ${scale.total} ${view.folded} ${view.live ? now() : 0}`;
  if (counted.key === key) return counted;
  const work = new Float64Array(cells), queue = new Float64Array(cells), bad = new Float64Array(cells);
  const cell = (t) => folded(t) / scale.total * cells;
  for (const row of run.rows) for (const s of row.segments) {
    if (s.kind !== "attempt" && s.kind !== "queued") continue;
    const into = s.kind === "queued" ? queue : s.status === "failed" || s.status === "timed_out" ? bad : work;
    const from = cell(s.start), to = Math.max(cell(endOf(s)), from + 0.02);
    for (let i = Math.floor(from); i < Math.min(to, cells); i++) into[i] += Math.min(i + 1, to) - Math.max(i, from);
  }
  counted = { key, work, queue, bad };
  return counted;
}
function drawOverview() {
  const width = scale.width, height = 46, pen = canvas("overview", width, height), cells = Math.max(1, Math.floor(width));
  const { work, queue, bad } = countCells(cells);
  let most = 1; for (let i = 0; i < cells; i++) most = Math.max(most, work[i] + bad[i]);
  let whole = most; for (let i = 0; i < cells; i++) whole = Math.max(whole, work[i] + bad[i] + queue[i]);
  const room = height - 8, unit = room / whole, step = width / cells;
  for (let i = 0; i < cells; i++) {
    const w = work[i] * unit, b = bad[i] * unit, q = queue[i] * unit;
    if (q) { pen.fillStyle = colour("queued"); pen.fillRect(i * step, height - w - b - q, step + 0.5, q); }
    pen.fillStyle = colour("succeeded"); pen.fillRect(i * step, height - w, step + 0.5, w);
    pen.fillStyle = colour("failed"); pen.fillRect(i * step, height - w - b, step + 0.5, b);
  }
  for (const part of scale.breaks.filter((b) => b.idle)) {
    pen.fillStyle = pattern(pen, "hatch", colour("panel"), colour("soft")); pen.fillRect(part.u0 / scale.total * width, 0, (part.u1 - part.u0) / scale.total * width, height);
  }
  const low = brushed ? Math.min(...brushed) : scale.low / scale.total * width, high = brushed ? Math.max(...brushed) : scale.high / scale.total * width;
  pen.fillStyle = colour("panel"); pen.globalAlpha = 0.78; pen.fillRect(0, 0, low, height); pen.fillRect(high, 0, width - high, height); pen.globalAlpha = 1;
  if (low > 0.5 || high < width - 0.5) { pen.strokeStyle = colour("accent"); pen.lineWidth = 2; pen.strokeRect(low + 1, 1, Math.max(2, high - low - 2), height - 2); }
  $("axis-left").replaceChildren(el("span", {}, `at work: ${Math.round(most)} at most`), el("span", {}, view.tab === "slots" ? "slot" : "task"));
}
function startBrush() {
  const node = $("overview"), place = (event) => Math.max(0, Math.min(scale.width, event.clientX - node.getBoundingClientRect().left));
  node.addEventListener("pointerdown", (event) => { brushed = [place(event), place(event)]; node.setPointerCapture(event.pointerId); });
  node.addEventListener("pointermove", (event) => { if (brushed) { brushed[1] = place(event); drawOverview(); } });
  node.addEventListener("pointerup", () => {
    if (!brushed) return;
    const [a, b] = [Math.min(...brushed), Math.max(...brushed)].map((x) => x / scale.width * scale.total), middle = (a + b) / 2, span = scale.high - scale.low;
    brushed = null;
    if ((b - a) / scale.total * scale.width > 4) setWindow(a, b); else setWindow(middle - span / 2, middle + span / 2);
  });
  node.addEventListener("dblclick", fitAll);
}
