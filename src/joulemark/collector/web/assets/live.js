// What is live: one EventSource, what to say while it stands, is paused or is lost, and the words in which `words.py` says the same.

export const watts = (w) => Math.abs(w) >= 10_000 ? `${(w / 1000).toFixed(2)} kW` : `${w.toFixed(1)} W`;
export const place = (boundary) => boundary.replaceAll("_", " ");
export const utc = (ns) => `${new Date(ns / 1e6).toISOString().slice(0, 19)}Z`;
export const calm = matchMedia("(prefers-reduced-motion: reduce)");

export function ago(s) {
  if (s < 9.95) return `${Math.max(s, 0).toFixed(1)} s ago`;
  const [, unit_s, unit] = [[120, 1, "s"], [7200, 60, "min"], [172_800, 3600, "h"], [Infinity, 86_400, "d"]].find(([limit]) => s < limit);
  return `${(s / unit_s).toFixed(0)} ${unit} ago`;
}

/** Text of an element, only where it changes: what a screen reader follows shall not be said anew each second. */
export const say = (element, text) => { if (element && element.textContent !== text) element.textContent = text; };

/** A word with its sign. */
export function word(cell, look, text) {
  const span = cell.querySelector(".word");
  if (!span) return;
  span.className = `word ${look}`;
  say(span, text);
}

/** [look, word] of a host. */
export function standing(host) {
  if (host.state === "connected") return ["good", "connected"];
  return host.state === "silent" ? ["doubt", `silent, last heard ${ago(host.age_s)}`] : ["soft", "unknown: the ingest process does not answer"];
}

const SILENT_MS = 6_000; // the browser itself comes back after `retry`, 3 s, when a stream has ended
const AGAIN_MS = 5_000;

/** Hands each event of `url()` to `show`; `#live` says how the connection stands, `#pause` holds it. */
export function listen(url, show) {
  const state = document.getElementById("live"), button = document.getElementById("pause"), asOf = document.getElementById("as-of");
  let source = null, since = Date.now(), paused = false, timer = 0;
  const lost = () => {
    if (paused) return;
    say(state, `Connection lost since ${utc(since * 1e6)}: showing what was known then. Trying again.`);
    state.classList.add("doubt");
    clearTimeout(timer);
    timer = setTimeout(open, AGAIN_MS);
  };
  const close = () => { source?.close(); source = null; clearTimeout(timer); };
  function open() {
    close();
    source = new EventSource(url());
    timer = setTimeout(lost, SILENT_MS);
    source.onerror = () => { if (source?.readyState === EventSource.CLOSED) lost(); };
    source.addEventListener("live", ({ data }) => {
      const seen = JSON.parse(data);
      since = Date.now();
      clearTimeout(timer);
      timer = setTimeout(lost, SILENT_MS);
      state.classList.toggle("doubt", !seen.ingest.answers);
      say(state, seen.ingest.answers ? "Live." : "The ingest process does not answer: nothing new arrives.");
      say(asOf, utc(seen.t_ns));
      show(seen);
    });
  }
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Go on" : "Pause";
    if (paused) { close(); state.classList.remove("doubt"); say(state, `Paused at ${utc(since * 1e6)}: showing what was known then.`); } else open();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", ({ persisted }) => { if (persisted && !paused) open(); });
  open();
}

/** The same page as the server makes it now, for what changes slowly; null where it cannot be had. */
export async function fresh() {
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  } catch { return null; }
}
