// The page of hosts: numbers each second, what changes slowly as the server draws it anew.
import { ago, calm, fresh, listen, place, say, standing, watts, word } from "./live.js";

const SLOW_MS = 10_000;
const rows = () => new Map([...document.querySelectorAll("tr[data-agent]")].map((row) => [row.dataset.agent, row]));
const cell = (row, name) => row.querySelector(`[data-is="${name}"]`);
let due = Date.now() + SLOW_MS, next = 0;

function power(place_, boundaries) {
  const one = boundaries.at(-1);
  const known = one && one.power_w != null;
  const first = document.createElement(known ? "strong" : "span");
  first.textContent = known ? watts(one.power_w) : one ? "not known" : "no reading in five minutes";
  if (!known) first.className = "absent";
  const more = !one ? "" : known ? ` ${place(one.boundary)}` : ` ${place(one.boundary)}${one.known_count ? `; ${watts(one.known_w)} of ${one.known_count} of ${one.devices.length} devices` : ""}`;
  place_.replaceChildren(first, more);
}

async function redrawn(agents) {
  const page = await fresh(), here = rows();
  if (!page) return;
  const there = new Map([...page.querySelectorAll("tr[data-agent]")].map((row) => [row.dataset.agent, row]));
  if (agents.some((agent) => !here.has(agent))) document.querySelector("#hosts tbody")?.replaceWith(page.querySelector("#hosts tbody"));
  else for (const [agent, row] of here) for (const name of ["spark", "meters", "clock", "overhead"]) {
    const found = there.get(agent);
    if (found) cell(row, name).replaceChildren(...cell(found, name).childNodes);
  }
  const totals = page.getElementById("totals");
  if (totals && !document.querySelector("#totals details[open]")) document.getElementById("totals")?.replaceWith(totals);
}

listen(() => "/v1/live", ({ t_ns, hosts, boundaries }) => {
  if (calm.matches && Date.now() < next) return;
  next = Date.now() + 5_000;
  const here = rows();
  if (hosts.length && !here.size) { location.reload(); return; }
  for (const host of hosts) {
    const row = here.get(host.agent_id);
    if (!row) continue;
    word(cell(row, "state"), ...standing(host));
    power(cell(row, "power"), host.boundaries);
    say(cell(row, "age"), host.last_reading_ns == null ? "none" : ago((t_ns - host.last_reading_ns) / 1e9));
  }
  for (const one of boundaries) say(document.querySelector(`[data-boundary="${one.boundary}"]`), one.power_w == null ? "not known" : watts(one.power_w));
  if (Date.now() >= due || hosts.some(({ agent_id }) => !here.has(agent_id))) {
    due = Date.now() + SLOW_MS;
    redrawn(hosts.map(({ agent_id }) => agent_id));
  }
});
