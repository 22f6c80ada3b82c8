// The course of power of one device: what the server drew, and what goes on from there in the same stretches of time.

const GAP = 2; // uPlot.join: null stays a gap, a time that only another line has does not break this one
const GOOD = new Set(["ok", "wrapped", "reset"]);

/** What `host.py` told of a device, as columns [s, lowest, mean, highest]; `open`: the stretch that is not over. */
export function begun(told, { begin_s, bucket_s }) {
  const columns = [told.t_ms.map((t) => begin_s + t / 1e3), told.low_w, told.mean_w, told.high_w];
  return { ...told, begin_s, bucket_s, columns, levels: Object.entries(told.levels), open: null };
}

/** The columns as they are drawn on the one axis of time, which reaches from `begin_s` to `now_s` whatever the device said. */
export function shown({ columns, levels, open }, begin_s, now_s) {
  const told = open ? columns.map((column, i) => [...column, [open.t / open.n, open.low, open.sum / open.n, open.high][i]]) : columns;
  const first = told[0].findIndex((t) => t >= begin_s);
  const seen = told.map((column) => first < 0 ? [] : column.slice(first));
  const tables = [seen, [[begin_s, now_s], ...levels.map(([, power_w]) => [power_w, power_w])]];
  if (!levels.length) tables[1].push([null, null]);
  const joined = uPlot.join(tables, tables.map((table) => table.slice(1).map(() => GAP)));
  return levels.length ? joined : joined.slice(0, -1);
}

/** A power (W) at a time (s) into its stretch. */
function add(panel, t, power_w) {
  const bucket = Math.floor((t - panel.begin_s) / panel.bucket_s), { open, columns } = panel;
  const last = panel.last_s ?? panel.last?.[0] ?? t, broken = panel.gap_s > 0 && t - last > panel.gap_s;
  if (open && (open.bucket !== bucket || broken)) {
    [open.t / open.n, open.low, open.sum / open.n, open.high].forEach((value, i) => columns[i].push(value));
    panel.open = null;
  }
  if (broken) [(last + t) / 2, null, null, null].forEach((value, i) => columns[i].push(value));
  const into = panel.open ??= { bucket, t: 0, sum: 0, n: 0, low: power_w, high: power_w };
  into.t += t; into.sum += power_w; into.n += 1; panel.last_s = t;
  into.low = Math.min(into.low, power_w); into.high = Math.max(into.high, power_w);
}

/** New readings of a meter: its power, or what its counter rose by, in the middle between two readings. What lies before `begin_s` is let go. */
export function take(panel, { exponent, t_ns, value, quality }, begin_s) {
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
  const first = panel.columns[0].findIndex((t) => t >= begin_s);
  if (first > 0) panel.columns.forEach((column) => column.splice(0, first));
}
