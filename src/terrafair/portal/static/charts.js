// Small charts as SVG: a series over time, and a histogram.
const space = "http://www.w3.org/2000/svg";
const node = (name, attributes, text) => {
  const made = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};
export const short = (value) => (value === null || value === undefined ? "" : Number(value.toPrecision(4)).toString());

function frame(label, width, height) {
  const chart = node("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": label });
  chart.append(node("title", {}, label));
  return chart;
}

export function series(found) {
  const [width, height, left, right, top, bottom] = [720, 220, 64, 16, 14, 28];
  const points = found.values
    .map((value, at) => ({ value, when: found.times.length ? Date.parse(found.times[at] + "Z") || at : at, at }))
    .filter((point) => point.value !== null);
  const label = `${found.title || found.variable}${found.unit ? " in " + found.unit : ""}: ${points.length} of ${found.values.length} values`;
  const chart = frame(label, width, height);
  if (!points.length) return chart;
  const [low, high] = [Math.min(...points.map((p) => p.value)), Math.max(...points.map((p) => p.value))];
  const [first, last] = [points[0].when, points.at(-1).when];
  const x = (p) => left + ((p.when - first) / (last - first || 1)) * (width - left - right);
  const y = (value) => height - bottom - ((value - low) / (high - low || 1)) * (height - top - bottom);
  for (const value of high > low ? [low, (low + high) / 2, high] : [low]) {
    chart.append(node("line", { class: "axis", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    chart.append(node("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value)));
  }
  if (points.length > 1)
    chart.append(node("path", { class: "line", d: "M" + points.map((p) => `${x(p).toFixed(1)},${y(p.value).toFixed(1)}`).join("L") }));
  if (points.length < 120)
    for (const point of points) {
      const mark = node("circle", { class: "mark", cx: x(point), cy: y(point.value), r: 3 });
      mark.append(node("title", {}, `${found.times[point.at] ?? point.at}: ${short(point.value)}`));
      chart.append(mark);
    }
  const name = (at) => (found.times[at] ?? String(at)).slice(0, 10);
  chart.append(node("text", { x: left, y: height - 8 }, name(points[0].at)));
  chart.append(node("text", { x: width - right, y: height - 8, "text-anchor": "end" }, name(points.at(-1).at)));
  return chart;
}

export function histogram(found) {
  const [width, height] = [260, 90];
  const chart = frame(`Histogram from ${short(found.minimum)} to ${short(found.maximum)}, mean ${short(found.mean)}`, width, height);
  const most = Math.max(1, ...found.counts);
  const step = width / Math.max(1, found.counts.length);
  found.counts.forEach((count, at) => {
    const tall = (count / most) * (height - 20);
    chart.append(node("rect", { class: "bar", x: at * step, y: height - 16 - tall, width: Math.max(1, step - 1), height: tall }));
  });
  chart.append(node("text", { x: 0, y: height - 3 }, short(found.minimum)));
  chart.append(node("text", { x: width, y: height - 3, "text-anchor": "end" }, short(found.maximum)));
  return chart;
}
