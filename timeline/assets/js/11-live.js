// Following a run: the server sends what changed, and the clock goes on between two updates.
function follow() {
  const source = new EventSource(run.events), mark = $("live");
  mark.hidden = false; view.live = true;
  source.addEventListener("update", (event) => { take(JSON.parse(event.data)); mark.classList.remove("off"); });
  source.addEventListener("trouble", (event) => { $("live-text").textContent = JSON.parse(event.data); mark.classList.add("off"); });
  source.onerror = () => { mark.classList.add("off"); $("live-text").textContent = "not connected"; };
  source.onopen = () => { mark.classList.remove("off"); $("live-text").textContent = isBusy() ? "live" : "waits for changes"; };
  setInterval(() => { if (goesOn() && !document.hidden) { measure(); draw(); drawTime(); } }, 250);
}
function take(update) {
  const before = run.status, done = run.rows.filter((row) => row.end !== undefined && row.end !== null).length;
  Object.assign(run, update.head);
  for (const name of update.gone || []) delete run[name];
  const known = new Map(run.rows.map((row) => [row.id, row]));
  for (const row of update.rows) known.set(row.id, row);
  run.rows = update.order ? update.order.map((id) => known.get(id)) : [...known.values()];
  run.version = (run.version || 0) + 1; view.received = performance.now();
  index(); measure(); drawHead(); if (update.order) net.transform = null;
  refresh(); if (view.opened && update.rows.some((row) => row.id === view.selected)) drawDetails();
  const ended = run.rows.filter((row) => row.end !== undefined && row.end !== null).length;
  if (ended !== done) say(`${ended} of ${run.rows.length} tasks have ended`);
  if (before !== run.status) { say(`The run is ${words(run.status)}`); $("live-text").textContent = isBusy() ? "live" : "waits for changes"; }
}
function drawTime() {
  const told = new Map(moving());
  for (const node of $("figures").children) if (told.has(node.firstChild.textContent)) node.lastChild.textContent = told.get(node.firstChild.textContent);
}
