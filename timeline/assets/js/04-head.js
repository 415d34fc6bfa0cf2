// What stands above the chart: the run's name, its figures, the statuses that can be switched off.
function drawHead() {
  const m = run.metrics, status = $("status");
  document.title = `${run.name}: ${words(run.status)}`;
  status.textContent = words(run.status);
  status.style.setProperty("--badge", colour({ partial: "timed_out", interrupted: "interrupted" }[run.status] || run.status));
  $("name").textContent = run.name; $("thread").textContent = run.thread_id;
  $("request").hidden = !run.request; $("request").textContent = run.request || "";
  const done = run.rows.filter((row) => !["pending", "running", "paused"].includes(row.status)).length;
  const figures = [["tasks", done === run.rows.length ? String(run.rows.length) : `${done} of ${run.rows.length} done`],
    ...moving(),
    ["slots used", run.max_parallel ? `${run.slots} of ${run.max_parallel}` : String(run.slots)]];
  const usage = m.usage;
  if (usage) figures.push(["tokens", number(usage.total_tokens ?? (usage.input_tokens || 0) + (usage.output_tokens || 0))]);
  if (usage && usage.cost) figures.push(["cost", number(usage.cost)]);
  if (run.started_at) figures.push(["started", clock(0)]);
  $("figures").replaceChildren(...figures.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  const notes = run.warnings || [];
  $("more").hidden = !run.summary && !notes.length;
  $("more-title").textContent = notes.length ? `Summary, ${notes.length} warning${notes.length > 1 ? "s" : ""}` : "Summary";
  $("more-text").textContent = [...notes.map((text) => `warning: ${text}`), run.summary].filter(Boolean).join("\n\n");
  drawChips();
}
// The figures that go on while the run does: what they were when the picture was taken, and the time since then.
function moving() {
  const known = run.figures, since = isBusy() ? now() - run.length_s : 0, open = run.rows.filter((row) => row.segments.some((s) => s.open && s.kind === "attempt"));
  const time = (known.at_work_s || run.length_s) + since, work = known.work_s + since * open.length, path = known.critical_path_s + (open.some((row) => row.critical) ? since : 0);
  const speedup = since ? work / time : known.speedup;
  return [[known.was_left ? "time at work" : "time", duration(time)], ["work", duration(work)], ["speedup", speedup ? `${speedup.toFixed(1)}×` : "–"], ["critical path", duration(path)]];
}
function drawChips() {
  const counts = new Map();
  for (const row of run.rows) counts.set(row.status, (counts.get(row.status) || 0) + 1);
  const made = STATUSES.filter((status) => counts.has(status)).map((status) => {
    const mark = el("i", { "aria-hidden": "true" });
    mark.style.background = colour(status);
    return el("button", { type: "button", "aria-pressed": String(!view.hidden.has(status)), "data-status": status,
      onclick: () => { view.hidden.has(status) ? view.hidden.delete(status) : view.hidden.add(status); refresh(); } },
      mark, `${counts.get(status)} ${words(status)}`);
  });
  const focused = document.activeElement?.dataset?.status;
  $("chips").replaceChildren(...made);
  if (focused) $("chips").querySelector(`[data-status="${focused}"]`)?.focus();
}
const LEGEND = [["queued", "queued for a slot", { kind: "queued" }], ["work", "attempt", { kind: "attempt", status: "succeeded" }],
  ["running", "at work", { kind: "attempt", status: "running" }],
  ["failed", "failed", { kind: "attempt", status: "failed" }], ["out", "timed out", { kind: "attempt", status: "timed_out" }],
  ["cancelled", "cancelled", { kind: "attempt", status: "cancelled" }], ["backoff", "backoff", { kind: "backoff" }],
  ["paused", "waits for a person", { kind: "paused" }], ["stopped", "no process at work", { kind: "stopped" }], ["dependencies", "waits for dependencies", { kind: "dependencies" }],
  ["critical", "critical path", { kind: "attempt", status: "succeeded" }]];
function drawLegend() {
  $("legend").replaceChildren(...LEGEND.map(([name, text, segment]) => {
    const node = el("canvas", { "aria-hidden": "true" });
    paintSegment(canvas(node, 26, 12), { ...segment }, 2, 2, 22, 8, name === "critical");
    return el("span", { role: "listitem" }, node, text);
  }));
}
