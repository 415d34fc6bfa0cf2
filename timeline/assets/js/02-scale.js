// Time on the screen. Long stretches in which nothing works can be folded; `at` and `time` go there and back.
const scale = { breaks: [], low: 0, high: 1, total: 1, width: 1 };

function workStretches() {
  const spans = run.rows.flatMap((row) => row.segments.filter((s) => s.kind !== "dependencies" && s.kind !== "paused" && s.kind !== "stopped").map((s) => [s.start, endOf(s)]));
  const merged = [];
  for (const [start, end] of spans.sort((a, b) => a[0] - b[0])) {
    const last = merged[merged.length - 1];
    if (last && start <= last[1]) last[1] = Math.max(last[1], end); else merged.push([start, end]);
  }
  return merged;
}
function idleStretches() {
  const merged = workStretches(), worked = merged.reduce((sum, [a, b]) => sum + b - a, 0) || 1, idle = [];
  let cursor = 0;
  for (const [start, end] of [...merged, [now(), now()]]) {
    if (start - cursor > Math.max(0.3 * worked, 0.5)) idle.push([cursor, start]);
    cursor = Math.max(cursor, end);
  }
  return idle;
}
function measure() {
  const idle = idleStretches(), whole = now() || 1, lost = idle.reduce((sum, [a, b]) => sum + b - a, 0);
  const foldable = idle.length > 0 && lost > 0.25 * whole;
  $("fold").hidden = !foldable;
  if (foldable && view.folded === false && !view.chosen) { view.folded = true; view.chosen = true; }
  $("fold").setAttribute("aria-pressed", String(view.folded));
  const short = Math.max((whole - lost) * 0.06, 1e-6);
  const fitted = scale.low <= 0 && scale.high >= scale.total - 1e-9;
  scale.breaks = []; let u = 0, t = 0;
  if (view.folded && foldable) for (const [a, b] of idle) {
    scale.breaks.push({ t0: t, t1: a, u0: u, u1: u + a - t, rate: 1 }); u += a - t;
    scale.breaks.push({ t0: a, t1: b, u0: u, u1: u + short, rate: short / (b - a), idle: true }); u += short; t = b;
  }
  scale.breaks.push({ t0: t, t1: whole, u0: u, u1: u + whole - t, rate: 1 });
  scale.total = Math.max(u + whole - t, 1e-6);
  if (fitted || scale.high > scale.total) { const span = fitted ? scale.total : scale.high - scale.low; scale.high = scale.total; scale.low = Math.max(0, scale.high - span); }
}
function folded(t) {
  const part = scale.breaks.find((b) => t <= b.t1) || scale.breaks[scale.breaks.length - 1];
  return part.u0 + (t - part.t0) * part.rate;
}
function at(t) { return (folded(t) - scale.low) / (scale.high - scale.low) * scale.width; }
function time(x) {
  const u = scale.low + x / scale.width * (scale.high - scale.low);
  const part = scale.breaks.find((b) => u <= b.u1) || scale.breaks[scale.breaks.length - 1];
  return part.t0 + (u - part.u0) / part.rate;
}
function setWindow(low, high) {
  const least = Math.min(scale.total, Math.max(scale.total / 20000, 1e-4)), span = Math.min(Math.max(high - low, least), scale.total);
  scale.low = Math.max(0, Math.min(low, scale.total - span)); scale.high = scale.low + span;
  draw();
}
function zoomBy(factor, x = scale.width / 2) {
  const u = scale.low + x / scale.width * (scale.high - scale.low);
  setWindow(u - (u - scale.low) / factor, u + (scale.high - u) / factor);
}
function pan(share) { const by = share * (scale.high - scale.low); setWindow(scale.low + by, scale.high + by); }
function fitAll() { scale.low = 0; scale.high = scale.total; draw(); }
function fitTo(start, end) { const a = folded(start), b = folded(end), room = Math.max((b - a) * 0.15, scale.total / 1000); setWindow(a - room, b + room); }

// Moments to mark: round numbers of seconds, minutes, hours or days.
const STEPS = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];
function ticks() {
  const rate = scale.width / (scale.high - scale.low), step = STEPS.find((s) => s * rate >= 84) || Math.ceil(84 / rate / 604800) * 604800, found = [];
  for (const part of scale.breaks.filter((b) => !b.idle)) {
    const from = Math.max(part.t0, time(0)), to = Math.min(part.t1, time(scale.width));
    for (let t = Math.ceil(from / step - 1e-9) * step; t <= to + step * 1e-6 && found.length < 200; t += step) found.push(t);
  }
  return { step, moments: found };
}
function tickText(t, step) {
  if (t >= 3600 && step >= 60) return `${Math.floor(t / 3600)}:${String(Math.floor(t / 60) % 60).padStart(2, "0")} h`;
  if (t >= 60 && step >= 1) return `${Math.floor(t / 60)}:${String(Math.round(t % 60)).padStart(2, "0")} min`;
  if (t < 1e-9) return "0";
  return step < 1 && t < 1 ? `${Math.round(t * 1e5) / 100} ms` : `${Math.round(t * 1e4) / 1e4} s`;
}
