// Pointer and keys. Single letters work only while the chart has the focus.
const KEYS = [["↑ ↓", "task by task"], ["← →", "fold or unfold a group; in the graph, along dependencies"], ["Enter", "open a task"], ["Escape", "close it"], ["+ − 0", "zoom in, out, everything"],
  ["Shift ← →", "earlier, later"], ["Ctrl wheel", "zoom; drag to move"], ["z", "zoom to the chosen task"], ["c", "critical path only"], ["/", "filter"], ["1 2 3 4", "tasks, slots, graph, table"], ["t", "light or dark"]];
const TABS = [["tasks", "Tasks"], ["slots", "Slots"], ["graph", "Graph"], ["table", "Table"]];

function startTabs() {
  $("tabs").replaceChildren(...TABS.map(([name, text]) => el("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "chart", onclick: () => show(name) }, text)));
  $("tabs").addEventListener("keydown", (event) => {
    const i = TABS.findIndex(([name]) => name === view.tab), step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) { const name = TABS[(i + step + TABS.length) % TABS.length][0]; show(name); $(`tab-${name}`).focus(); event.preventDefault(); }
  });
}
function show(name) {
  view.tab = name; hideTip(); view.line = 0;
  for (const [tab] of TABS) { $(`tab-${tab}`).setAttribute("aria-selected", String(tab === name)); $(`tab-${tab}`).tabIndex = tab === name ? 0 : -1; }
  $("gantt").hidden = name === "graph" || name === "table"; $("graph").hidden = name !== "graph"; $("table").hidden = name !== "table";
  $("chart").setAttribute("aria-label", `${name} view`);
  refresh();
}
function zoomTo(action) {
  if (view.tab === "graph") { const svg = d3.select("#net"); action === "fit" ? fitGraph() : svg.call(net.zoom.scaleBy, action === "in" ? 1.5 : 1 / 1.5); }
  else if (action === "fit") fitAll(); else zoomBy(action === "in" ? 1.6 : 1 / 1.6);
}
function chartKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog, aside")) return;
  const moved = view.tab === "graph" ? event.target.id === "graph" && graphKey(event) : event.target.closest("#tree") && treeKey(event);
  const does = { "+": () => zoomTo("in"), "=": () => zoomTo("in"), "-": () => zoomTo("out"), "0": () => zoomTo("fit"), "/": () => $("search").focus(), c: () => $("critical").click(), t: () => $("theme").click(),
    "?": openKeys, z: () => { const row = byId.get(view.selected) || lines[view.line]?.row; if (row?.segments.length) fitTo(row.start ?? row.segments[0].start, endOf(row.segments[row.segments.length - 1])); },
    1: () => show("tasks"), 2: () => show("slots"), 3: () => show("graph"), 4: () => show("table"), Enter: () => view.tab === "graph" && view.selected && select(view.selected) }[event.key];
  if (!moved && does && event.target.closest("#chart")) { does(); event.preventDefault(); }
  if (moved) event.preventDefault();
}
function treeKey(event) {
  const line = lines[view.line], page = Math.max(1, Math.floor($("scroller").clientHeight / rowHeight()) - 1);
  if (event.shiftKey && ["ArrowLeft", "ArrowRight"].includes(event.key)) { pan(event.key === "ArrowLeft" ? -0.2 : 0.2); return true; }
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[event.key];
  if (step) { goTo(view.line + step); return true; }
  if (line?.group && (event.key === "ArrowLeft" || event.key === "ArrowRight" || event.key === "Enter" || event.key === " ")) {
    const open = event.key === "ArrowRight" || (event.key !== "ArrowLeft" && !line.open);
    open ? view.closed.delete(line.group) : view.closed.add(line.group); refresh(); return true;
  }
  if (line?.inside && event.key === "ArrowLeft") { for (let i = view.line; i >= 0; i--) if (lines[i].group) { goTo(i); break; } return true; }
  if (event.key === "Enter" || event.key === " ") { const row = line?.row || line?.segments?.[0]?.row; if (row) select(row.id); return true; }
  return false;
}
function goTo(i) {
  view.line = Math.max(0, Math.min(lines.length - 1, i));
  const high = rowHeight(), scroller = $("scroller"), top = view.line * high;
  if (top < scroller.scrollTop) scroller.scrollTop = top; else if (top + high > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + high - scroller.clientHeight;
  if (view.opened && lines[view.line]?.row) { view.selected = lines[view.line].row.id; drawDetails(); }
  drawNow();
  $("tree").querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
}
function startPointer() {
  const lanes = $("lanes"), scroller = $("scroller"), tree = $("tree");
  const seen = (event) => { const box = lanes.getBoundingClientRect(), line = lineAt(event.clientY - box.top); return line ? [line, segmentAt(line, event.clientX - box.left)] : [null, null]; };
  let drag = null;
  lanes.addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse" && event.button === 0) { drag = { x: event.clientX, low: scale.low, high: scale.high, moved: false }; lanes.setPointerCapture(event.pointerId); } });
  lanes.addEventListener("pointermove", (event) => {
    if (drag && Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
    if (drag?.moved) { const by = (drag.x - event.clientX) / scale.width * (drag.high - drag.low); hideTip(); setWindow(drag.low + by, drag.high + by); return; }
    const [line, segment] = seen(event), row = segment?.row || line?.row;
    hover(row ? row.id : null); row && (segment || !line.slot) ? tip(event, [row, segment]) : hideTip();
  });
  lanes.addEventListener("pointerup", (event) => { const moved = drag?.moved; drag = null; if (moved) return; const [line, segment] = seen(event), row = segment?.row || line?.row; if (line?.group && !segment) toggle(line); else if (row) select(row.id); });
  lanes.addEventListener("pointerleave", () => { hover(null); hideTip(); });
  lanes.addEventListener("dblclick", (event) => zoomBy(2, event.clientX - lanes.getBoundingClientRect().left));
  scroller.addEventListener("wheel", (event) => {
    const x = event.clientX - lanes.getBoundingClientRect().left;
    if (event.ctrlKey || event.metaKey) { event.preventDefault(); zoomBy(Math.exp(-event.deltaY * 0.0022), Math.max(0, x)); }
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) { event.preventDefault(); pan((event.deltaX || event.deltaY) / scale.width); }
  }, { passive: false });
  startPinch(lanes);
  scroller.addEventListener("scroll", () => { hideTip(); draw(); });
  tree.addEventListener("click", (event) => { const node = event.target.closest("[data-line]"), line = node && lines[Number(node.dataset.line)]; if (!line) return; view.line = Number(node.dataset.line); line.group ? toggle(line) : line.row && select(line.row.id); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && view.opened && !$("keys").open) closeDetails(); else chartKey(event); });
}
function startPinch(node) {
  let apart = 0;
  const spread = (touches) => Math.abs(touches[0].clientX - touches[1].clientX);
  node.addEventListener("touchstart", (event) => { if (event.touches.length === 2) apart = spread(event.touches); }, { passive: true });
  node.addEventListener("touchmove", (event) => {
    if (event.touches.length !== 2 || !apart) return;
    event.preventDefault();
    const wide = Math.max(10, spread(event.touches)), middle = (event.touches[0].clientX + event.touches[1].clientX) / 2 - node.getBoundingClientRect().left;
    zoomBy(wide / Math.max(10, apart), middle); apart = wide;
  }, { passive: false });
}
function toggle(line) { view.closed.has(line.group) ? view.closed.delete(line.group) : view.closed.add(line.group); refresh(); }
function openKeys() {
  $("keys-text").replaceChildren(el("dl", {}, ...KEYS.flatMap(([keys, text]) => [el("dt", {}, ...keys.split(" ").map((key) => el("kbd", {}, key))), el("dd", {}, text)])));
  $("keys-title").textContent = "Keys"; $("keys").showModal();
}
function startTools() {
  const pressed = (id, change) => $(id).addEventListener("click", () => { change(); $(id).setAttribute("aria-pressed", String(view[id])); refresh(); });
  $("search").addEventListener("input", () => { view.search = $("search").value.trim(); refresh(); say($("count").textContent); });
  $("search").addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === "ArrowDown") { $("tree").querySelector('[tabindex="0"]')?.focus(); event.preventDefault(); } });
  $("group").addEventListener("change", () => { view.group = $("group").value; view.line = 0; refresh(); });
  $("sort").addEventListener("change", () => { view.sort = $("sort").value; refresh(); });
  pressed("critical", () => { view.critical = !view.critical; }); pressed("dense", () => { view.dense = !view.dense; });
  $("fold").addEventListener("click", () => { view.chosen = true; view.folded = !view.folded; measure(); fitAll(); });
  for (const id of ["in", "out", "fit"]) $(id).addEventListener("click", () => zoomTo(id));
  $("help").addEventListener("click", openKeys);
  $("licence").addEventListener("click", (event) => { event.preventDefault(); $("keys-title").textContent = "Licence of the drawing library"; $("keys-text").replaceChildren(el("pre", {}, JSON.parse($("licence-text").textContent))); $("keys").showModal(); });
  $("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
}
