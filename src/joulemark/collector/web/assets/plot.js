// One way to draw power over time: UTC, colours of the page also when they change from light to dark, gaps left open, phases as bands.

/** The value of a colour of the style sheet, `--gpu`. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A power as people read it. */
export const watts = (value) => value == null ? "–" : Math.abs(value) >= 10_000 ? `${(value / 1000).toFixed(2)} kW` : `${value.toFixed(1)} W`;

const CLOCK = [
  [86400, "{YYYY}-{MM}-{DD}", null, null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, null, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{YYYY}-{MM}-{DD}", null, null, null, null, null, 1],
];

/** Bands of `phases` ({name, kind, begin_s, end_s}) behind the lines; a name that has no room is left away. */
const bands = (phases) => ({ hooks: { drawClear: (plot) => {
  const { ctx, bbox: { top, height, left, width } } = plot;
  ctx.save();
  ctx.beginPath(); ctx.rect(left, top, width, height); ctx.clip();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  for (const { name, kind, begin_s, end_s } of phases()) {
    const a = plot.valToPos(begin_s, "x", true), b = plot.valToPos(end_s, "x", true);
    ctx.globalAlpha = kind === "measured" ? 0.13 : 0.07;
    ctx.fillStyle = colour(kind === "measured" ? "--accent" : "--soft");
    ctx.fillRect(a, top, b - a, height);
    ctx.globalAlpha = 1;
    ctx.fillStyle = colour("--soft");
    if (ctx.measureText(name).width + 12 * devicePixelRatio < b - a) ctx.fillText(name, a + 6 * devicePixelRatio, top + 14 * devicePixelRatio);
  }
  ctx.restore();
} } });

/**
 * Draw into `place` the lines `series` ([{label, colour: "--gpu", points?}]) over `data` ([[s, ...], [W or null, ...], ...]).
 * A series that is `thin` is only an edge of what `shaded` ([{series: [upper, lower], colour}]) fills; `value` is what the legend says.
 * `phases()` gives the bands of now; `height` in px; `zoomed(from_s, to_s)`: what dragging asks for, in place of a closer look at the same data. `since`: times are seconds since something, not UTC, and it is called so. Without `times` the axis below names none, as that of a neighbour does. The answer has `setData` and `plot`.
 */
export function draw(place, series, data, { phases = () => [], height = 270, legend = true, shaded = [], zoomed = null, since = "", times = true } = {}) {
  let plot;
  const make = () => {
    const kept = plot ? plot.data : data;
    plot?.destroy();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "12px system-ui, sans-serif" };
    plot = new uPlot({
      width: place.clientWidth, height,
      tzDate: (s) => uPlot.tzDate(new Date(s * 1e3), "Etc/UTC"),
      plugins: [bands(phases)],
      legend: { show: legend },
      cursor: { drag: { x: true, y: false, setScale: !zoomed } },
      bands: shaded.map(({ series: pair, colour: name }) => ({ series: pair, fill: () => `${colour(name)}44` })),
      hooks: zoomed ? { setSelect: [(self) => {
        const { left, width } = self.select;
        if (width > 2) zoomed(self.posToVal(left, "x"), self.posToVal(left + width, "x"));
        self.setSelect({ left: 0, width: 0 }, false);
      }] } : {},
      scales: { x: { time: !since }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.08] } },
      axes: [{ ...axis, values: !times ? (_, ticks) => ticks.map(() => "") : since ? (_, ticks) => ticks.map((s) => `${s} s`) : CLOCK, ...(times ? {} : { size: 6 }) }, { ...axis, size: 64, values: (_, ticks) => ticks.map((w) => (Math.max(...ticks) >= 10_000 ? `${w / 1000} kW` : `${w} W`)) }],
      series: [
        since ? { label: since, value: (_, s) => s == null ? "–" : `${s.toFixed(3)} s` } : { label: "UTC", value: "{YYYY}-{MM}-{DD}T{HH}:{mm}:{ss}Z" },
        ...series.map(({ label, colour: name, points, dash, thin, value }) => ({
          label, dash, class: thin ? "span" : "line", stroke: () => colour(name), width: points || thin ? 0 : 1.5, spanGaps: false, value: value ?? ((_, value) => watts(value)),
          points: points ? { show: true, size: 5, fill: () => colour(name) } : { show: false },
        })),
      ],
    }, kept, place);
  };
  make();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", make);
  new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height })).observe(place);
  return { get plot() { return plot; }, setData: (next) => plot.setData(next) };
}
