// The task graph: boxes by phase, only those in sight and only as detailed as their size allows.
const net = { transform: null, zoom: null, drawn: "" };
function startGraph() {
  const svg = d3.select("#net"), root = svg.append("g");
  root.append("path").attr("class", "edge faint"); root.append("g").attr("class", "nodes");
  for (const name of ["lit", "near"]) root.append("path").attr("class", `edge ${name}`);
  net.zoom = d3.zoom().scaleExtent([0.02, 4]).on("zoom", (event) => { net.transform = event.transform; root.attr("transform", event.transform); drawGraph(); });
  svg.call(net.zoom).on("dblclick.zoom", null);
  svg.on("click", (event) => { const id = event.target.closest(".node")?.__data__?.id; if (id) select(id); });
  svg.on("pointermove", (event) => { const row = event.target.closest(".node")?.__data__; hover(row ? row.id : null); row ? tip(event, [row]) : hideTip(); }).on("pointerleave", () => { hover(null); hideTip(); });
}
function fitGraph() {
  const node = $("graph"), w = node.clientWidth, h = node.clientHeight, g = run.graph, k = Math.min(w / (g.width + 60), h / (g.height + 60), 1.4) || 1;
  d3.select("#net").call(net.zoom.transform, d3.zoomIdentity.translate((w - g.width * k) / 2, (h - g.height * k) / 2).scale(k));
}
function edge(a, b) {
  const g = run.graph, x1 = (a.x || 0) + g.box_width, y1 = (a.y || 0) + g.box_height / 2, x2 = b.x || 0, y2 = (b.y || 0) + g.box_height / 2, bend = Math.max(24, (x2 - x1) / 2);
  return `M${x1},${y1}C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
}
function edgesOf(rows, test) { return rows.flatMap((row) => row.depends_on.filter((need) => byId.has(need) && test(byId.get(need), row)).map((need) => edge(byId.get(need), row))).join(""); }
// Text cut to a width in a box of the graph; measured, since letters differ.
const ruler = document.createElement("canvas").getContext("2d");
function fitting(text, width, size) {
  ruler.font = `600 ${size}px ${FONT}`;
  const line = cut(text, 80);
  if (ruler.measureText(line).width <= width) return line;
  const letters = [...line];
  while (letters.length > 1 && ruler.measureText(`${letters.join("")}…`).width > width) letters.pop();
  return `${letters.join("")}…`;
}
function drawGraph() {
  if (!net.transform) { fitGraph(); return; }
  const { x, y, k } = net.transform, node = $("graph"), g = run.graph, pathed = new Set();
  for (let i = 1; i < (run.critical || []).length; i++) pathed.add(`${run.critical[i - 1]}\n${run.critical[i]}`);
  const lit = (a, b) => pathed.has(`${a.id}\n${b.id}`), chosen = view.selected || view.hover;
  const key = `${run.version} ${view.critical} ${run.rows.length}`;
  if (net.drawn !== key) {
    d3.select("#net .faint").style("stroke-width", run.rows.length > 300 ? 0.5 : 1.2).attr("d", edgesOf(run.rows, (a, b) => !lit(a, b)));
    d3.select("#net .lit").attr("d", edgesOf(run.rows, lit)); net.drawn = key;
  }
  d3.select("#net .near").attr("d", chosen ? edgesOf(run.rows, (a, b) => a.id === chosen || b.id === chosen) : "");
  const seen = run.rows.filter((row) => (row.x || 0) * k + x < node.clientWidth && ((row.x || 0) + g.box_width) * k + x > 0 && (row.y || 0) * k + y < node.clientHeight && ((row.y || 0) + g.box_height) * k + y > 0);
  const nodes = d3.select("#net .nodes").selectAll("g").data(seen, (row) => row.id).join((enter) => {
    const made = enter.append("g").attr("class", "node");
    made.append("rect").attr("class", "box").attr("rx", 5); made.append("rect").attr("class", "side").attr("rx", 2); made.append("text"); made.append("text").attr("class", "sub");
    return made;
  });
  nodes.attr("transform", (row) => `translate(${row.x || 0},${row.y || 0})`).classed("lit", (row) => row.critical).classed("on", (row) => row.id === chosen).classed("dim", (row) => !matches(row));
  const named = k > 0.42;
  nodes.select("rect.box").attr("width", g.box_width).attr("height", g.box_height).style("fill", (row) => named ? null : colour(row.status));
  nodes.select("rect.side").attr("width", named ? 6 : 0).attr("height", g.box_height).style("fill", (row) => colour(row.status));
  nodes.select("text").attr("x", 13).attr("y", 15).text((row) => named ? `${GLYPHS[row.status]} \u2068${fitting(row.id, g.box_width - 34, 12)}\u2069` : "");
  nodes.select("text.sub").attr("x", 13).attr("y", 28).text((row) => named ? `\u2068${fitting(row.title || row.specialist, g.box_width - 24 - (row.attempts ? 6.2 * duration(row.duration_s).length : 0), 11)}\u2069 ${row.attempts ? duration(row.duration_s) : ""}` : "");
}
function graphTold() { return `Task graph: ${run.rows.length} tasks in ${d3.max(run.rows, (row) => row.phase) || 0} phases. Left and right go along dependencies, up and down within a phase, Enter opens.`; }
function graphKey(event) {
  const row = byId.get(view.selected) || run.rows[0];
  if (!row) return false;
  const beside = run.rows.filter((other) => other.phase === row.phase).sort((a, b) => a.x - b.x || a.y - b.y), i = beside.indexOf(row);
  const next = { ArrowLeft: row.depends_on.find((id) => byId.has(id)), ArrowRight: (later.get(row.id) || [])[0], ArrowUp: beside[i - 1]?.id, ArrowDown: beside[i + 1]?.id }[event.key];
  if (!next && event.key !== "Home") return event.key.startsWith("Arrow");
  const target = byId.get(next || run.rows[0].id), g = run.graph;
  choose(target.id); say(told(target));
  d3.select("#net").call(net.zoom.translateTo, target.x + g.box_width / 2, target.y + g.box_height / 2);
  return true;
}
