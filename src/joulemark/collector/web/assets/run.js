// The page of a run: its power as a canvas that can be zoomed, and the verdict, which is fetched when it has been reached.
import { colour, draw, watts } from "./plot.js";

const LOOKS = { gpu: "--gpu", package: "--cpu", module: "--dram", psu_input: "--other", server_input: "--other" };
const GAP = 2; // uPlot.join: of a line, null stays a gap, and a time that only other lines have does not break it
const iso = (ns) => new Date(ns / 1e6).toISOString();

/** Columns of one time axis (s) of a document `joulemark.trace/1`: of each line the lowest, mean and highest power, then idle. */
function columns({ from_ns, to_ns, lines, idle }) {
  const begin_s = from_ns / 1e9;
  const tables = lines.map(({ t_ms, low_w, mean_w, high_w }) => [t_ms.map((t) => begin_s + t / 1e3), low_w, mean_w, high_w]);
  const ready = idle.find((one) => one.idle_kind === "idle_ready" && one.mean_power_w != null) ?? idle.find((one) => one.mean_power_w != null);
  if (ready) tables.push([[begin_s, to_ns / 1e9], [ready.mean_power_w, ready.mean_power_w]]);
  const modes = tables.map((table) => table.map(() => 1));
  return { data: uPlot.join(tables, modes), ready };
}

/** The lines as `draw` takes them. */
function series(lines, ready) {
  const found = [];
  for (const { boundary } of lines) {
    const name = LOOKS[boundary] ?? "--wall", label = boundary.replace("_", " "), at = found.length + 1;
    const value = (plot, mean, _, row) => row == null || mean == null ? "–" : `${watts(mean)} (${watts(plot.data[at][row])} to ${watts(plot.data[at + 2][row])})`;
    found.push({ label: `${label}, lowest`, colour: name, thin: true }, { label, colour: name, value }, { label: `${label}, highest`, colour: name, thin: true });
  }
  if (ready) found.push({ label: "idle", colour: "--idle", dash: [6, 4] });
  return found;
}

async function power(place) {
  const live = place.querySelector(".live"), said = place.querySelector("#trace-said"), whole = place.querySelector("#trace-whole");
  if (!live || typeof uPlot === "undefined") return;
  const ask = async (from, to) => {
    const query = new URLSearchParams({ buckets: Math.max(300, Math.min(2000, Math.round(place.clientWidth))) });
    if (from) { query.set("from_ns", from); query.set("to_ns", to); }
    const answer = await fetch(`${place.dataset.trace}?${query}`);
    if (!answer.ok) throw new Error((await answer.json()).detail);
    return answer.json();
  };
  let shown = await ask(place.dataset.from, place.dataset.to);
  const { data, ready } = columns(shown);
  if (data[0].length === 0) return;
  live.hidden = false; place.classList.add("has-live");
  const bands = () => shown.phases.map((one) => ({ ...one, begin_s: one.begin_ns / 1e9, end_s: one.end_ns / 1e9 }));
  const shaded = shown.lines.map((line, at) => ({ series: [3 * at + 3, 3 * at + 1], colour: LOOKS[line.boundary] ?? "--wall" }));
  const zoomed = async (from_s, to_s) => {
    const from = BigInt(Math.round(from_s * 1e6)) * 1000n, to = BigInt(Math.round(to_s * 1e6)) * 1000n;
    try { shown = await ask(from, to); } catch (error) { said.textContent = `Not drawn: ${error.message}`; return; }
    chart.setData(columns(shown).data);
    history.replaceState(null, "", `?${new URLSearchParams({ from: iso(Number(from)), to: iso(Number(to)) })}`);
    said.textContent = `From ${iso(Number(from))} to ${iso(Number(to))}.`; whole.hidden = false;
  };
  const chart = draw(live, series(shown.lines, ready), data, { phases: bands, shaded, zoomed, height: 300 });
  if (!said.textContent) said.textContent = "Drag across the drawing to look closer.";
  whole.addEventListener("click", (event) => { if (place.dataset.from) return; event.preventDefault(); history.replaceState(null, "", location.pathname); location.reload(); });
}

/** Put the verdict where it is being waited for: its page holds the same parts under the same ids. */
async function verdict(place) {
  const waiting = document.getElementById("judging");
  if (!waiting) return;
  const answer = await fetch(`/runs/${encodeURIComponent(place.dataset.run)}/verdict`, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["void", "level", "checklist", "hashes"]) {
    const found = page.getElementById(id);
    if (found) document.getElementById(id).replaceWith(document.importNode(found, true));
  }
  if (answer.ok) return;
  waiting.textContent = `Not judged: ${page.querySelector("main > p:not(.banner)")?.textContent ?? answer.status}`;
  document.querySelector("#level .word").textContent = "not judged";
}

const place = document.getElementById("trace");
power(place).catch((error) => { document.getElementById("trace-said").textContent = `Not drawn: ${error.message}`; });
verdict(place).catch((error) => { document.getElementById("judging").textContent = `Not judged: ${error.message}. Load the page again.`; });
