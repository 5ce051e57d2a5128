// Small charts as SVG: a series with its spread, and a histogram.
import { CHART } from "./words.js";

const space = "http://www.w3.org/2000/svg";
const node = (name, attributes, text) => {
  const made = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

export function short(value) {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(2);
  return String(Number(value.toPrecision(5)));
}

function frame(label, width, height) {
  const chart = node("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": label });
  chart.append(node("title", {}, label));
  return chart;
}

// Round numbers between two values.
export function ticks(low, high, count) {
  if (!(high > low)) return [low];
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at++) found.push(at * step);
  return found;
}

export function series(found) {
  const [width, height, left, right, top, bottom] = [760, 230, 62, 16, 14, 26];
  const points = found.values
    .map((value, at) => ({ value, when: found.times.length ? Date.parse(found.times[at] + "Z") || at : at, at, spread: found.deviations?.[at] ?? 0 }))
    .filter((point) => point.value !== null);
  const label = CHART.series(found.title || found.variable, found.unit, points.length, found.values.length);
  const chart = frame(label, width, height);
  if (!points.length) {
    chart.append(node("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, CHART.none));
    return chart;
  }
  let [low, high] = [Infinity, -Infinity];
  for (const p of points) [low, high] = [Math.min(low, p.value - p.spread), Math.max(high, p.value + p.spread)];
  if (low === high) [low, high] = [low - 1, high + 1];
  const [first, last] = [points[0].when, points.at(-1).when];
  const x = (p) => left + ((p.when - first) / (last - first || 1)) * (width - left - right);
  const y = (value) => height - bottom - ((value - low) / (high - low)) * (height - top - bottom);
  for (const value of ticks(low, high, 4)) {
    chart.append(node("line", { class: "axis", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    chart.append(node("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
  const place = (p, value) => `${x(p).toFixed(1)},${y(value).toFixed(1)}`;
  if (found.deviations) {
    const above = points.map((p) => place(p, p.value + p.spread));
    const below = points.map((p) => place(p, p.value - p.spread)).reverse();
    chart.append(node("path", { class: "spread", d: `M${[...above, ...below].join("L")}Z` }));
  }
  if (points.length > 1) chart.append(node("path", { class: "line", d: `M${points.map((p) => place(p, p.value)).join("L")}` }));
  if (points.length < 150)
    for (const point of points) {
      const mark = node("circle", { class: "mark", cx: x(point), cy: y(point.value), r: 2.6 });
      mark.append(node("title", {}, `${found.times[point.at] ?? point.at}: ${short(point.value)}`));
      chart.append(mark);
    }
  const name = (at) => (found.times[at] ?? String(at)).slice(0, 10);
  const middle = points[Math.floor(points.length / 2)];
  chart.append(node("text", { x: left, y: height - 8 }, name(points[0].at)));
  if (points.length > 2) chart.append(node("text", { x: x(middle), y: height - 8, "text-anchor": "middle" }, name(middle.at)));
  if (points.length > 1) chart.append(node("text", { x: width - right, y: height - 8, "text-anchor": "end" }, name(points.at(-1).at)));
  return chart;
}

export function histogram(found) {
  const [width, height] = [260, 84];
  const chart = frame(CHART.histogram(short(found.minimum), short(found.maximum), short(found.mean)), width, height);
  const most = Math.max(1, ...found.counts);
  const step = width / Math.max(1, found.counts.length);
  found.counts.forEach((count, at) => {
    const tall = count ? Math.max(1, (count / most) * (height - 20)) : 0;
    chart.append(node("rect", { class: "bar", x: at * step, y: height - 16 - tall, width: Math.max(1, step - 1), height: tall }));
  });
  chart.append(node("text", { x: 0, y: height - 3 }, short(found.minimum)));
  chart.append(node("text", { x: width, y: height - 3, "text-anchor": "end" }, short(found.maximum)));
  return chart;
}
