// The page of a host: its lines go on with the readings that come, in the same stretches of time as the server made them.
import { begun, shown, take } from "./course.js";
import { ago, calm, fresh, listen, say, standing, watts, word } from "./live.js";
import { draw } from "./plot.js";

const SLOW_MS = 10_000, CALM_MS = 10_000, HEIGHT = 96, TIMES = 46;
const course = JSON.parse(document.getElementById("course")?.textContent ?? "null");
const span_s = course ? course.minutes * 60 : 0;
const panels = (course?.panels ?? []).map(panel);
let now_s = course ? course.begin_s + span_s : 0, due = Date.now() + SLOW_MS, next = 0;

/** One device and where it is drawn. */
function panel(told, index) {
  const made = begun(told, course), { colour } = told;
  const series = [
    { label: "lowest", colour, thin: true }, { label: "mean", colour }, { label: "highest", colour, thin: true },
    ...made.levels.map(([name]) => ({ label: name, colour: "--idle", dash: [6, 4] })),
  ];
  return { ...made, place: document.querySelector(`[data-panel="${index}"] .drawn-live`), series, plot: null };
}

function drawn(panel) {
  if (!panel.place || typeof uPlot === "undefined") return;
  if (panel.plot) { panel.plot.setData(shown(panel, now_s - span_s, now_s)); return; }
  const last = panel === panels.at(-1);
  panel.place.replaceChildren();
  panel.plot = draw(panel.place, panel.series, shown(panel, now_s - span_s, now_s), { height: HEIGHT + (last ? TIMES : 0), times: last, legend: false, shaded: [{ series: [3, 1], colour: panel.colour }] });
}

function numbers({ t_ns, hosts: [host] }) {
  if (!host) return;
  const facts = document.getElementById("facts"), fact = (name) => facts.querySelector(`[data-is="${name}"]`);
  word(fact("state"), ...standing(host));
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
  if (page.querySelectorAll("[data-panel]").length !== panels.length) location.reload(); // a device came, or was not heard for as long as is shown
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
  if (!course && seen.readings.length) location.reload();
  for (const told of seen.readings) for (const panel of panels) if (panel.meter_id === told.meter_id) take(panel, told, now_s - span_s);
  if (!calm.matches || Date.now() >= next) {
    next = Date.now() + CALM_MS;
    numbers(seen);
    panels.forEach(drawn);
  }
  if (Date.now() >= due) { due = Date.now() + SLOW_MS; slow(); }
});
