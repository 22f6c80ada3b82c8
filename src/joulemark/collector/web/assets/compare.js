// The page of runs side by side: their power over one another, each from the begin of its phase.
import { draw } from "./plot.js";

const LOOKS = [["--accent", []], ["--second", [9, 4]], ["--third", [2, 3]], ["--fourth", [10, 4, 2, 4]], ["--ink", [16, 5]], ["--soft", [5, 2]]];

/** The line of one run: [s since the begin of its phase], [W]; null where it has none at the boundary. */
async function line({ trace, lead_s }, boundary) {
  const answer = await fetch(trace);
  if (!answer.ok) throw new Error((await answer.json()).detail);
  const found = (await answer.json()).lines.find((one) => one.boundary === boundary);
  return found ? [found.t_ms.map((t) => t / 1e3 - lead_s), found.mean_w] : null;
}

async function overlay(place, said) {
  said.textContent = "Loading the power of each run.";
  const { boundary, runs } = JSON.parse(document.getElementById("overlaid").textContent);
  const drawn = [], missing = [];
  for (const run of runs) {
    try {
      const found = await line(run, boundary);
      if (found && found[0].length) drawn.push({ run, found }); else missing.push(`run ${run.number} has no power at this boundary`);
    } catch (error) { missing.push(`run ${run.number}: ${error.message}`); }
  }
  said.textContent = missing.length ? `Not drawn: ${missing.join("; ")}.` : "";
  if (!drawn.length) return;
  const series = drawn.map(({ run }) => { const [colour, dash] = LOOKS[run.number - 1]; return { label: `${run.number} ${run.name}`, colour, dash }; });
  const phases = () => drawn.map(({ run }) => ({ name: "", kind: "measured", begin_s: 0, end_s: run.length_s })).slice(0, 1);
  draw(place, series, uPlot.join(drawn.map(({ found }) => found)), { phases, height: 320, since: "since its begin" });
}

const place = document.getElementById("overlay");
if (place && typeof uPlot !== "undefined") {
  const said = document.getElementById("overlay-said");
  overlay(place, said).catch((error) => { said.textContent = `Not drawn: ${error.message}`; });
}
