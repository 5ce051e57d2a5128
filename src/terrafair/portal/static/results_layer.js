// One layer and its card: what is shown, in which colours, between which values, at which time.
import { histogram, short } from "./results_chart.js";
import { asked } from "./results_map.js";
import { CHART, LAYER } from "./words.js";

const make = (name, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
};
const labelled = (text, control) => make("label", {}, text, control);

export function makeCard(state, layer) {
  const tick = make("input", { type: "checkbox" });
  const up = make("button", { type: "button", textContent: "↑", title: LAYER.raise });
  const down = make("button", { type: "button", textContent: "↓", title: LAYER.lower });
  up.setAttribute("aria-label", LAYER.raised(layer.name));
  down.setAttribute("aria-label", LAYER.lowered(layer.name));
  const body = make("div", { className: "body", hidden: true });
  const said = make("p", { className: "said" });
  said.setAttribute("role", "status");
  const head = make("div", { className: "head" }, make("label", {}, tick, make("span", { textContent: layer.name })), make("span", { className: "order" }, up, down));
  const card = { state, layer, tick, body, said, element: make("section", { className: "card" }, head, body, said), shown: false, bounds: null, variable: "", map: null, height: 0, dimensions: [] };
  card.element.setAttribute("aria-label", LAYER.label(layer.name));
  card.raise = (height) => {
    card.height = height;
    card.map?.setZIndex(height);
  };
  card.ends = (top, bottom) => {
    up.disabled = top;
    down.disabled = bottom;
  };
  card.show = (on) => show(card, on);
  tick.addEventListener("change", () => card.show(tick.checked));
  const move = (by) => {
    const at = state.cards.indexOf(card);
    state.cards.splice(at, 1);
    state.cards.splice(at + by, 0, card);
    state.arrange();
    (by < 0 ? up : down).focus();
  };
  up.addEventListener("click", () => move(-1));
  down.addEventListener("click", () => move(1));
  return card;
}

async function show(card, on) {
  card.tick.checked = card.shown = on;
  card.body.hidden = !on;
  card.said.classList.remove("wrong");
  try {
    if (on && !card.map) {
      card.said.textContent = LAYER.looking;
      await (card.layer.view === "features" ? vector(card) : pictured(card));
      card.state.clip(card.map, () => card.swiped);
      card.state.map.addLayer(card.map);
      card.raise(card.height);
    }
    card.map?.setVisible(card.shown);
  } catch (fault) {
    card.tick.checked = card.shown = false;
    card.body.hidden = true;
    card.said.textContent = String(fault.message);
    card.said.classList.add("wrong");
  }
  card.state.swiping();
}

function opacity(card) {
  const slider = make("input", { type: "range", min: 0, max: 100, value: 100 });
  slider.addEventListener("input", () => card.map.setOpacity(slider.value / 100));
  const swipe = make("input", { type: "checkbox" });
  swipe.addEventListener("change", () => {
    card.swiped = swipe.checked;
    card.state.swiping();
  });
  const tick = make("label", { className: "flat" }, swipe, LAYER.swipe);
  return [labelled(LAYER.opacity, slider), tick];
}

async function vector(card) {
  const { ol } = card.state;
  const found = await asked(`${card.layer.tiles}/features`);
  const colour = getComputedStyle(document.documentElement).getPropertyValue("--bad").trim() || "#a3261c";
  const stroke = new ol.style.Stroke({ color: colour, width: 1.5 });
  const fill = new ol.style.Fill({ color: `${colour}22` });
  const image = new ol.style.Circle({ radius: 4.5, fill: new ol.style.Fill({ color: colour }), stroke: new ol.style.Stroke({ color: "#fff", width: 1 }) });
  const features = new ol.format.GeoJSON().readFeatures(found, { featureProjection: "EPSG:3857" });
  card.map = new ol.layer.Vector({ source: new ol.source.Vector({ features }), style: new ol.style.Style({ stroke, fill, image }) });
  card.map.set("popup", true);
  card.bounds = found.bounds;
  card.said.textContent = LAYER.features(found.shown, found.total);
  card.body.append(...opacity(card));
}

const query = (card) => {
  const words = new URLSearchParams();
  if (card.variable) words.set("variable", card.variable);
  if (card.bands) words.set("bands", card.bands);
  if (card.ramp) words.set("ramp", card.ramp);
  if (card.range) words.set("rescale", card.range.join(","));
  const places = card.dimensions.map(({ name, slider }) => `${name}:${slider.value}`);
  if (places.length) words.set("index", places.join(","));
  return words.toString();
};

function redraw(card) {
  card.map.getSource().setUrl(`${card.layer.tiles}/{z}/{x}/{y}.png?${query(card)}`);
}

async function pictured(card) {
  const { ol } = card.state;
  const about = await asked(`${card.layer.tiles}/about`);
  card.variable = about.variable ?? "";
  card.bounds = about.bounds;
  if (!about.bounds) throw new Error(LAYER.nowhere);
  card.map = new ol.layer.Tile({ source: new ol.source.XYZ({ url: "", maxZoom: 20, transition: 0 }) });
  controls(card, about);
  told(card, about);
  redraw(card);
}

function told(card, about) {
  card.said.textContent = [about.title, about.unit && `[${about.unit}]`, about.note].filter(Boolean).join(" ");
  const [low, high] = about.rescale[0];
  if (!card.range) [card.low.value, card.high.value] = [short(low), short(high)];
  card.key.replaceChildren();
  if (about.legend?.length) {
    const ramp = make("div", { className: "ramp" });
    ramp.style.background = `linear-gradient(90deg, ${about.legend.map((step) => step.colour).join(",")})`;
    const ends = [about.legend[0], about.legend[Math.floor(about.legend.length / 2)], about.legend.at(-1)];
    card.key.append(ramp, make("div", { className: "ends" }, ...ends.map((step) => make("span", { textContent: short(step.value) }))));
  }
  if (about.classes?.length) {
    const list = make("ul", { className: "classes" });
    for (const { value, colour, share } of about.classes) {
      const swatch = make("span", { className: "swatch" });
      swatch.style.background = colour;
      list.append(make("li", {}, swatch, String(value), make("span", { className: "kindly", textContent: `${(share * 100).toFixed(1)} %` })));
    }
    card.key.append(list);
  }
  // Values of categories are names: they are not stretched.
  card.between.hidden = Boolean(about.classes?.length && !card.ramp);
  card.shapes.replaceChildren();
  for (const each of (about.histograms ?? []).filter((found) => found.counts.length).slice(0, 3)) {
    const numbers = make("dl", { className: "numbers" });
    for (const [key, word] of Object.entries(CHART.numbers))
      numbers.append(make("dt", { textContent: word }), make("dd", { textContent: short(each[key]) }));
    card.shapes.append(histogram(each), numbers);
  }
}

async function again(card) {
  redraw(card);
  card.said.classList.remove("wrong");
  try {
    told(card, await asked(`${card.layer.tiles}/about?${query(card)}`));
  } catch (fault) {
    card.said.textContent = String(fault.message);
    card.said.classList.add("wrong");
  }
}

function controls(card, about) {
  const choice = (options, chosen) => {
    const made = make("select");
    for (const [value, text] of options) made.append(make("option", { value, textContent: text, selected: value === chosen }));
    return made;
  };
  const parts = [];
  if ((about.variables ?? []).length > 1) {
    const variables = choice(about.variables.map((name) => [name, name]), card.variable);
    variables.addEventListener("change", () => changed(card, variables.value));
    parts.push(labelled(LAYER.variable, variables));
  }
  if ((about.bands ?? []).length > 1) {
    const bands = choice([["", LAYER.stored], ...about.bands.map((each) => [String(each.band), each.name])], "");
    bands.addEventListener("change", () => {
      card.bands = bands.value;
      card.range = null;
      again(card);
    });
    parts.push(labelled(LAYER.band, bands));
  }
  card.sliders = make("div", { className: "body" });
  dimensions(card, about);
  const ramps = choice([["", LAYER.own], ...card.state.config.ramps.map((name) => [name, name])], "");
  ramps.addEventListener("change", () => {
    card.ramp = ramps.value;
    again(card);
  });
  card.low = make("input", { inputMode: "decimal", ariaLabel: LAYER.lowest });
  card.high = make("input", { inputMode: "decimal", ariaLabel: LAYER.highest });
  const ranged = () => {
    const pair = [card.low.value, card.high.value].map((text) => (text.trim() ? Number(text) : NaN));
    card.range = pair.every(Number.isFinite) && pair[0] < pair[1] ? pair : null;
    again(card);
  };
  for (const input of [card.low, card.high]) input.addEventListener("change", ranged);
  card.between = make("div", { className: "range" }, LAYER.values, card.low, card.high);
  card.key = make("div", { className: "key" });
  card.shapes = make("div");
  card.body.append(...parts, card.sliders, labelled(LAYER.colours, ramps), card.between, card.key, ...opacity(card), make("details", {}, make("summary", { textContent: LAYER.histogram }), card.shapes));
}

async function changed(card, variable) {
  card.variable = variable;
  card.range = null;
  card.dimensions = [];
  try {
    const about = await asked(`${card.layer.tiles}/about?variable=${encodeURIComponent(variable)}`);
    dimensions(card, about);
    told(card, about);
    redraw(card);
  } catch (fault) {
    card.said.textContent = String(fault.message);
    card.said.classList.add("wrong");
  }
}

function dimensions(card, about) {
  card.sliders.replaceChildren();
  card.dimensions = Object.entries(about.dimensions ?? {}).map(([name, labels]) => {
    const slider = make("input", { type: "range", min: 0, max: labels.length - 1, value: 0 });
    const output = make("output");
    const tell = () => {
      const text = labels[+slider.value].replace("T00:00:00", "");
      output.textContent = LAYER.step(text, +slider.value + 1, labels.length);
      slider.setAttribute("aria-valuetext", text);
    };
    tell();
    slider.addEventListener("input", tell);
    slider.addEventListener("change", () => again(card));
    if (labels.length > 1) card.sliders.append(make("label", {}, name, slider, output));
    return { name, slider };
  });
}
