// The page of a host: its lines go on with the readings that come, in the same stretches of time as the server made them.
import { ago, calm, fresh, listen, say, watts, word } from "./live.js";
import { draw } from "./plot.js";

const SLOW_MS = 10_000, CALM_MS = 10_000, HEIGHT = 130, GAP = 2; // uPlot.join: null stays a gap, a time of another line does not break this one
const course = JSON.parse(document.getElementById("course")?.textContent ?? "null");
const span_s = course ? course.minutes * 60 : 0;
const panels = (course?.panels ?? []).map(line);
let now_s = course ? course.begin_s + span_s : 0, due = Date.now() + SLOW_MS, next = 0;

/** One device: its columns [s, lowest, mean, highest], and the stretch that is not over. */
function line(told, index) {
  const place = document.querySelector(`[data-panel="${index}"] .drawn-live`);
  const columns = [told.t_ms.map((t) => course.begin_s + t / 1e3), told.low_w, told.mean_w, told.high_w];
  const levels = Object.entries(told.levels);
  const series = [
    { label: "lowest", colour: told.colour, thin: true }, { label: "mean", colour: told.colour }, { label: "highest", colour: told.colour, thin: true },
    ...levels.map(([name]) => ({ label: name, colour: "--idle", dash: [6, 4] })),
  ];
  return { ...told, place, columns, series, levels: levels.map(([, power_w]) => power_w), open: null, plot: null };
}

/** The columns of a panel on the one axis of time, which reaches from the begin to now, whatever the device said. */
function data({ columns, levels, open }) {
  const begin_s = now_s - span_s;
  const told = open ? columns.map((column, i) => [...column, [open.t / open.n, open.low, open.sum / open.n, open.high][i]]) : columns;
  const first = told[0].findIndex((t) => t >= begin_s);
  const shown = told.map((column) => first < 0 ? [] : column.slice(first));
  const tables = [shown, [[begin_s, now_s], ...levels.map((power_w) => [power_w, power_w])]];
  if (!levels.length) tables[1].push([null, null]);
  const joined = uPlot.join(tables, tables.map((table) => table.slice(1).map(() => GAP)));
  return levels.length ? joined : joined.slice(0, -1);
}

function drawn(panel) {
  if (!panel.place || typeof uPlot === "undefined") return;
  if (panel.plot) { panel.plot.setData(data(panel)); return; }
  panel.place.replaceChildren();
  panel.plot = draw(panel.place, panel.series, data(panel), { height: HEIGHT, legend: false, shaded: [{ series: [3, 1], colour: panel.colour }] });
}

/** A power (W) at a time (s) into its stretch. */
function add(panel, t, power_w) {
  const bucket = Math.floor((t - course.begin_s) / course.bucket_s), { open, columns } = panel;
  const last = open ? open.last : columns[0].at(-1);
  const broken = last != null && panel.gap_s && t - last > panel.gap_s + course.bucket_s;
  if (open && (open.bucket !== bucket || broken)) {
    [open.t / open.n, open.low, open.sum / open.n, open.high].forEach((value, i) => columns[i].push(value));
    panel.open = null;
  }
  if (broken) [(last + t) / 2, null, null, null].forEach((value, i) => columns[i].push(value));
  const into = panel.open ??= { bucket, t: 0, sum: 0, n: 0, low: power_w, high: power_w };
  into.t += t; into.sum += power_w; into.n += 1; into.last = t;
  into.low = Math.min(into.low, power_w); into.high = Math.max(into.high, power_w);
}

const GOOD = new Set(["ok", "wrapped", "reset"]);

/** New readings of a meter: its power, or what its counter rose by, in the middle between two readings. */
function take(panel, { exponent, t_ns, value, quality }) {
  const scale = 10 ** exponent;
  t_ns.forEach((ns, i) => {
    if (ns <= panel.until_ns || value[i] == null || !GOOD.has(quality[i])) return;
    const t = ns / 1e9;
    if (panel.by_power) add(panel, t, value[i] * scale);
    else {
      const [t0, v0] = panel.last ?? [t, value[i]];
      if (value[i] === v0) return; // a counter that was not refreshed yet
      if (value[i] > v0 && t > t0 && quality[i] === "ok") add(panel, (t0 + t) / 2, (value[i] - v0) * scale / (t - t0));
      panel.last = [t, value[i]];
    }
  });
  panel.until_ns = Math.max(panel.until_ns, t_ns.at(-1) ?? 0);
  const first = panel.columns[0].findIndex((t) => t >= now_s - span_s);
  if (first > 0) panel.columns.forEach((column) => column.splice(0, first));
}

function numbers({ t_ns, hosts: [host] }) {
  if (!host) return;
  const facts = document.getElementById("facts"), fact = (name) => facts.querySelector(`[data-is="${name}"]`);
  word(fact("state"), ...(host.state === "connected" ? ["good", "connected"] : host.state === "silent" ? ["doubt", `silent, last heard ${ago(host.age_s)}`] : ["soft", "unknown: the ingest process does not answer"]));
  say(fact("age"), host.last_reading_ns == null ? "none" : ago((t_ns - host.last_reading_ns) / 1e9));
  for (const { meter_id, power_w, reason, t_ns: read_ns } of host.meters) {
    const row = document.querySelector(`tr[data-meter="${CSS.escape(meter_id)}"]`), named = document.querySelector(`[data-now="${CSS.escape(meter_id)}"]`);
    say(named, power_w == null ? "not known" : watts(power_w));
    if (!row) continue;
    say(row.querySelector('[data-is="now"]'), power_w == null ? reason : watts(power_w));
    say(row.querySelector('[data-is="age"]'), read_ns == null ? "none" : ago((t_ns - read_ns) / 1e9));
  }
}

async function slow() {
  const page = await fresh();
  if (!page) return;
  for (const selector of ["#facts [data-is=power]", "#facts [data-is=meters]", "#facts [data-is=clock]", "#facts [data-is=overhead]", "#lost"]) {
    const here = document.querySelector(selector), there = page.querySelector(selector);
    if (here && there && here.textContent !== there.textContent) here.replaceChildren(...there.childNodes);
  }
  for (const row of document.querySelectorAll("tr[data-meter]")) for (const name of ["end0", "end1", "gaps"])
    say(row.querySelector(`[data-is="${name}"]`), page.querySelector(`tr[data-meter="${CSS.escape(row.dataset.meter)}"] [data-is="${name}"]`)?.textContent ?? "");
  page.querySelectorAll(".drawn-live").forEach((there, i) => panels[i]?.place?.setAttribute("aria-label", there.getAttribute("aria-label")));
}

panels.forEach(drawn);
const agent = course?.agent_id ?? decodeURIComponent(location.pathname.split("/").pop());
const since = () => panels.length ? { since_ns: String(Math.min(...panels.map(({ until_ns }) => until_ns)) - 1000) } : {}; // a double is true to 256 ns
listen(() => `/v1/live?${new URLSearchParams({ host: agent, ...since() })}`, (seen) => {
  now_s = seen.t_ns / 1e9;
  for (const told of seen.readings) for (const panel of panels) if (panel.meter_id === told.meter_id) take(panel, told);
  if (!calm.matches || Date.now() >= next) {
    next = Date.now() + CALM_MS;
    numbers(seen);
    panels.forEach(drawn);
  }
  if (Date.now() >= due) { due = Date.now() + SLOW_MS; slow(); }
});
