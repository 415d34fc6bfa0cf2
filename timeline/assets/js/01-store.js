// The run, and what is shown of it. Everything else reads this, and draws when it is told to.
const $ = (id) => document.getElementById(id);
const STATUSES = ["running", "succeeded", "failed", "timed_out", "paused", "cancelled", "skipped", "pending"];
const GLYPHS = { running: "▶", succeeded: "✓", failed: "✗", timed_out: "◔", paused: "‖", cancelled: "⊘", skipped: "»", pending: "·" };
const WAITS = { dependencies: "waits for dependencies", queued: "queued for a slot", backoff: "backs off before another attempt",
  paused: "waits for a person", stopped: "no process at work" };

const run = JSON.parse($("data").textContent);
const view = { tab: "tasks", search: "", hidden: new Set(), group: "", sort: "start", critical: false, dense: false, folded: false,
  selected: null, hover: null, closed: new Set(), received: performance.now() };
let byId = new Map(), later = new Map(), shown = [], lines = [];

function words(status) { return status.replace(/_/g, " "); }
function isBusy() { return run.status === "running"; }
function goesOn() { return isBusy() || run.status === "paused"; }

// The moment of the picture: it goes on while the run does.
function now() { return run.length_s + (goesOn() && view.live ? (performance.now() - view.received) / 1000 : 0); }
function endOf(segment) { return segment.open ? Math.max(segment.end, now()) : segment.end; }

function duration(s) {
  if (s === null || s === undefined) return "–";
  if (s < 0.0005) return "0 s";
  if (s < 1) return `${Math.max(1, Math.round(s * 1000))} ms`;
  if (s < 10) return `${s.toFixed(2)} s`;
  if (s < 59.95) return `${s.toFixed(1)} s`;
  const rest = Math.round(s), h = Math.floor(rest / 3600), m = Math.floor(rest / 60) % 60, d = Math.floor(h / 24);
  if (d) return `${d} d ${h % 24} h`;
  return h ? `${h} h ${String(m).padStart(2, "0")} min` : `${m} min ${String(rest % 60).padStart(2, "0")} s`;
}
function clock(s) {
  if (!run.started_at) return "";
  return new Date(Date.parse(run.started_at) + s * 1000).toLocaleString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", day: "numeric", month: "short" });
}
function number(n) { return n >= 1e6 ? `${(n / 1e6).toFixed(2)}M` : n >= 10000 ? `${(n / 1e3).toFixed(1)}k` : `${Math.round(n * 1e6) / 1e6}`; }
function used(usage) {
  if (!usage) return "";
  const parts = [], tokens = usage.total_tokens ?? (usage.input_tokens || 0) + (usage.output_tokens || 0);
  if (tokens) parts.push(`${number(tokens)} tokens`);
  if (usage.cost) parts.push(`cost ${number(usage.cost)}`);
  return parts.join(", ");
}
// An element; its text is only ever set as text.
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
function cut(text, most = 120) { return text.length > most ? `${text.slice(0, most)}…` : text; }
function say(text) { $("say").textContent = text; }
function colour(name) { return palette[name] || (palette[name] = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()); }
let palette = {};

function index() {
  byId = new Map(run.rows.map((row) => [row.id, row]));
  later = new Map();
  for (const row of run.rows) {
    for (const name of ["x", "y", "queued_s", "duration_s", "attempts"]) row[name] ??= 0;
    row.segments ||= []; row.depends_on ||= [];
    for (const need of row.depends_on) later.has(need) ? later.get(need).push(row.id) : later.set(need, [row.id]);
    row.found = [row.id, row.title, row.specialist, words(row.status), row.error, row.aggregate].filter(Boolean).join("\n").toLowerCase();
  }
}
function matches(row) {
  if (view.hidden.has(row.status) || (view.critical && !row.critical)) return false;
  return view.search.toLowerCase().split(/\s+/).every((word) => row.found.includes(word));
}
const ORDERS = {
  plan: () => 0,
  start: (a, b) => (a.start ?? a.segments[0]?.end ?? 1e12) - (b.start ?? b.segments[0]?.end ?? 1e12),
  longest: (a, b) => (b.duration_s || 0) - (a.duration_s || 0),
  queued: (a, b) => (b.queued_s || 0) - (a.queued_s || 0),
};
// The lines of the chart, from top to bottom: tasks, groups of tasks, or slots.
function arrange() {
  shown = run.rows.filter(matches).sort(ORDERS[view.sort]);
  lines = view.tab === "slots" ? slotLines() : view.group ? groupLines() : shown.map((row) => ({ row, segments: row.segments }));
  $("count").textContent = shown.length === run.rows.length ? `${shown.length} tasks` : `${shown.length} of ${run.rows.length} tasks`;
}
function slotLines() {
  const slots = new Map();
  for (const row of shown) for (const segment of row.segments) {
    if (segment.slot) (slots.get(segment.slot) || slots.set(segment.slot, []).get(segment.slot)).push({ ...segment, row });
  }
  return [...slots.keys()].sort((a, b) => a - b).map((slot) => {
    const segments = slots.get(slot).sort((a, b) => a.start - b.start);
    return { slot, segments, worked: segments.reduce((sum, s) => sum + endOf(s) - s.start, 0) };
  });
}
function groupLines() {
  const groups = new Map();
  for (const row of shown) {
    const name = view.group === "phase" ? `phase ${row.phase}` : view.group === "status" ? words(row.status) : row.specialist;
    (groups.get(name) || groups.set(name, []).get(name)).push(row);
  }
  return [...groups].flatMap(([name, rows]) => {
    const open = !view.closed.has(name);
    const head = { group: name, rows, open, segments: rows.flatMap((row) => row.segments.filter((s) => s.kind === "attempt").map((s) => ({ ...s, row }))) };
    return open ? [head, ...rows.map((row) => ({ row, inside: true, segments: row.segments }))] : [head];
  });
}
