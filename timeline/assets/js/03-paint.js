// Painting on canvases: sharp on every screen, one look for each kind of segment, told apart without colour too.
function canvas(id, width, height) {
  const node = typeof id === "string" ? $(id) : id, ratio = window.devicePixelRatio || 1;
  if (node.width !== Math.round(width * ratio) || node.height !== Math.round(height * ratio)) {
    node.width = Math.round(width * ratio); node.height = Math.round(height * ratio);
    node.style.width = `${width}px`; node.style.height = `${height}px`;
  }
  const pen = node.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0); pen.clearRect(0, 0, width, height);
  return pen;
}
const patterns = new Map();
function pattern(pen, name, back, front) {
  const key = `${name} ${back} ${front}`;
  if (!patterns.has(key)) {
    const tile = document.createElement("canvas"); tile.width = tile.height = 8;
    const ink = tile.getContext("2d");
    ink.fillStyle = back; ink.fillRect(0, 0, 8, 8); ink.strokeStyle = ink.fillStyle = front; ink.lineWidth = 2;
    if (name === "hatch") for (const k of [-8, 0, 8]) { ink.beginPath(); ink.moveTo(k, 8); ink.lineTo(k + 8, 0); ink.stroke(); }
    if (name === "bars") ink.fillRect(0, 0, 3, 8);
    if (name === "dots") { ink.fillRect(1, 3, 2, 2); ink.fillRect(5, 3, 2, 2); }
    patterns.set(key, pen.createPattern(tile, "repeat"));
  }
  return patterns.get(key);
}
function fillOf(pen, segment) {
  if (segment.kind === "queued") return pattern(pen, "hatch", colour("soft"), colour("queued"));
  if (segment.kind === "paused") return pattern(pen, "bars", colour("soft"), colour("paused"));
  if (segment.kind === "attempt") return segment.status === "running" || segment.status === "asked" ? pattern(pen, "hatch", colour(segment.status), colour(segment.status)) : colour(segment.status);
  return colour("wait");
}
function paintSegment(pen, segment, x, y, width, height, isCritical) {
  if (segment.kind === "attempt") {
    const w = Math.max(width, 1.5);
    pen.fillStyle = fillOf(pen, segment); box(pen, x, y, w, height, Math.min(3, height / 3, w / 2)); pen.fill();
    if (segment.open) { pen.fillStyle = colour("ink"); pen.fillRect(x + w - 1.5, y, 1.5, height); }
    if (isCritical && height >= 6) { pen.strokeStyle = colour("critical"); pen.lineWidth = 2; box(pen, x - 1, y - 1, w + 2, height + 2, 4); pen.stroke(); }
    else if (isCritical) { pen.fillStyle = colour("critical"); pen.fillRect(x, y + height - Math.max(1, height / 3), w, Math.max(1, height / 3)); }
  } else if (segment.kind === "queued" || segment.kind === "paused") {
    const inset = height >= 10 ? height * 0.18 : 0;
    pen.fillStyle = fillOf(pen, segment); pen.fillRect(x, y + inset, Math.max(width, 1), height - 2 * inset);
  } else if (height >= 3 || segment.kind !== "dependencies") {
    pen.strokeStyle = colour("wait"); pen.lineWidth = height >= 8 ? 1.5 : 0.6;
    pen.setLineDash(segment.kind === "backoff" ? [2, 3] : segment.kind === "stopped" ? [6, 5] : []);
    if (segment.kind === "backoff") pen.strokeStyle = colour("timed_out");
    pen.beginPath(); pen.moveTo(x, y + height / 2); pen.lineTo(x + width, y + height / 2); pen.stroke(); pen.setLineDash([]);
  }
}
function box(pen, x, y, w, h, r) { pen.beginPath(); pen.roundRect(x, y, w, h, Math.max(0, r)); }
const FONT = 'system-ui, "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif';
// The first of several texts that fits into a bar.
function inBar(pen, texts, x, y, width, height) {
  if (width < 24 || height < 12) return;
  pen.font = `11px ${FONT}`;
  let text = texts.find((one) => pen.measureText(cut(one, 60)).width <= width - 9);
  if (!text && texts.length > 1 && width > 40) text = cut(texts[texts.length - 1], Math.floor((width - 9) / 6.6) - 1);
  if (!text) return;
  pen.save(); pen.beginPath(); pen.rect(x, y, width, height); pen.clip();
  pen.fillStyle = colour("bar-ink"); pen.textBaseline = "middle"; pen.direction = "ltr";
  pen.fillText(`\u2068${cut(text, 60)}\u2069`, x + 5, y + height / 2 + 0.5); pen.restore();
}
