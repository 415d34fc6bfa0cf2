// Drawing happens once for each frame, however often it is asked for.
let waiting = false;
function draw() { if (!waiting) { waiting = true; requestAnimationFrame(drawNow); } }
function drawNow() {
  waiting = false;
  if (view.tab === "graph") drawGraph(); else if (view.tab !== "table") drawGantt();
}
function refresh() { arrange(); drawChips(); $("graph").setAttribute("aria-label", graphTold()); if (view.tab === "table") drawTable(); draw(); }
function setTheme(name) {
  document.documentElement.dataset.theme = name; palette = {}; patterns.clear(); net.drawn = "";
  drawHead(); drawLegend(); refresh();
}
function start() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)"), chosen = document.documentElement.dataset.theme;
  index(); measure(); startTabs(); startTools(); startGraph(); startBrush(); startPointer();
  if (run.rows.length > 400) view.dense = false;
  setTheme(chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen);
  if (chosen === "auto") dark.addEventListener("change", () => setTheme(dark.matches ? "dark" : "light"));
  show("tasks");
  new ResizeObserver(() => { net.transform = view.tab === "graph" ? null : net.transform; draw(); }).observe($("stage"));
  if (run.events) follow();
}
start();
