// Layers of a job's results on one map: pictures by the tile server, vectors as bounded GeoJSON.
import { series, short } from "./results_chart.js";
import { makeCard } from "./results_layer.js";
import { MAP } from "./words.js";

const loaded = (address) =>
  new Promise((done, failed) => {
    const script = Object.assign(document.createElement("script"), { src: address, onload: done });
    script.onerror = () => failed(new Error(MAP.library));
    document.head.append(script);
  });
const colour = (name, otherwise) => getComputedStyle(document.documentElement).getPropertyValue(name).trim() || otherwise;

export async function asked(address, options) {
  const reply = await fetch(address, options);
  const found = await reply.json();
  if (!reply.ok) throw new Error([found.title, found.problems?.[0]?.remedy].filter(Boolean).join(" ") || MAP.answered(reply.status));
  return found;
}

export async function start(box) {
  await loaded(box.dataset.library);
  const { ol } = window;
  const config = JSON.parse(document.querySelector("#results-config").textContent);
  const canvas = document.querySelector("#results-map");
  const map = new ol.Map({
    target: canvas,
    view: new ol.View({ center: [0, 2e6], zoom: 1, maxZoom: 20 }),
    controls: [new ol.control.Zoom(), new ol.control.ScaleLine()],
    layers: [world(ol, box.dataset.world)].filter(Boolean),
  });
  const state = { ol, map, box, config, cards: [], said: document.querySelector("#results-said"), charts: document.querySelector("#results-charts") };
  state.say = (text, wrong = false) => {
    state.said.textContent = text;
    state.said.classList.toggle("wrong", wrong);
  };
  state.fit = (bounds) => fit(state, bounds);
  state.arrange = () => arrange(state);
  const list = document.querySelector("#results-layers");
  for (const layer of config.layers) {
    const card = makeCard(state, layer);
    state.cards.push(card);
    list.append(card.element);
  }
  arrange(state);
  swipe(state);
  clicks(state);
  drawing(state);
  const chosen = state.cards.find((card) => card.layer.first);
  let first = chosen ?? state.cards[0];
  for (const card of chosen ? [chosen] : state.cards.slice(0, 5)) {
    await card.show(true);
    if (card.shown) {
      first = card;
      break;
    }
  }
  state.fit(first.bounds);
  document.querySelector("#results-fit").addEventListener("click", () => state.fit((uppermost(state) ?? first).bounds));
  box.dataset.ready = "yes";
}

function world(ol, address) {
  if (!address) return null;
  const paint = () => new ol.style.Style({
    fill: new ol.style.Fill({ color: colour("--land", "#f6f5f0") }),
    stroke: new ol.style.Stroke({ color: colour("--coast", "#9aa7ab"), width: 0.7 }),
  });
  const source = new ol.source.Vector({ url: address, format: new ol.format.GeoJSON() });
  const layer = new ol.layer.Vector({ source, style: paint(), zIndex: 0 });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => layer.setStyle(paint()));
  return layer;
}

function fit({ ol, map }, bounds) {
  if (!bounds) return;
  const limit = (degrees) => Math.max(-85, Math.min(85, degrees));
  const east = bounds[2] < bounds[0] ? bounds[2] + 360 : bounds[2];
  const extent = ol.proj.transformExtent([bounds[0], limit(bounds[1]), east, limit(bounds[3])], "EPSG:4326", "EPSG:3857");
  map.getView().fit(extent, { padding: [30, 30, 40, 30], maxZoom: 18 });
}

// The list shows the uppermost layer first.
function arrange({ cards, box }) {
  const list = box.querySelector("#results-layers");
  cards.forEach((card, at) => {
    card.raise(100 + cards.length - at);
    list.append(card.element);
    card.ends(at === 0, at === cards.length - 1);
  });
}

const uppermost = ({ cards }) => cards.find((card) => card.shown);

function swipe(state) {
  const slider = document.querySelector("#results-swipe");
  const label = slider.closest("label");
  const divider = Object.assign(document.createElement("div"), { className: "divider", hidden: true });
  document.querySelector("#results-map").append(divider);
  const tell = () => {
    const two = state.cards.filter((card) => card.shown).length > 1;
    label.hidden = divider.hidden = !(two && state.cards.some((card) => card.swiped));
    divider.style.left = `${slider.value}%`;
    state.map.render();
  };
  state.swiping = tell;
  slider.addEventListener("input", tell);
  state.clip = (layer, wanted) => {
    layer.on("prerender", (event) => {
      if (!wanted() || label.hidden) return;
      const context = event.context;
      const width = (context.canvas.width * slider.value) / 100;
      context.save();
      context.beginPath();
      context.rect(0, 0, width, context.canvas.height);
      context.clip();
    });
    layer.on("postrender", (event) => {
      if (wanted() && !label.hidden) event.context.restore();
    });
  };
}

function popup(state) {
  const element = Object.assign(document.createElement("div"), { className: "popup" });
  const overlay = new state.ol.Overlay({ element, positioning: "bottom-center", offset: [0, -8], autoPan: true });
  state.map.addOverlay(overlay);
  return (feature, coordinate) => {
    element.replaceChildren();
    overlay.setPosition(feature ? coordinate : undefined);
    if (!feature) return;
    const rows = Object.entries(feature.getProperties()).filter(([name]) => name !== "geometry");
    const terms = document.createElement("dl");
    for (const [name, value] of rows)
      terms.append(Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: value ?? "" }));
    element.append(rows.length ? terms : MAP.bare);
  };
}

function clicks(state) {
  const show = popup(state);
  const form = document.querySelector("#results-place");
  const at = (longitude, latitude) => {
    [form.lon.value, form.lat.value] = [longitude.toFixed(5), latitude.toFixed(5)];
    return point(state, longitude, latitude);
  };
  state.map.on("singleclick", (event) => {
    if (state.drawing) return;
    const feature = state.map.forEachFeatureAtPixel(event.pixel, (each, layer) => (layer?.get("popup") ? each : null));
    show(feature, event.coordinate);
    const [longitude, latitude] = state.ol.proj.toLonLat(event.coordinate);
    if (!feature) at(longitude, latitude);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [longitude, latitude] = [form.lon.value, form.lat.value].map((text) => (text.trim() ? Number(text) : NaN));
    if (Number.isFinite(longitude) && Number.isFinite(latitude)) at(longitude, latitude);
    else state.say(MAP.degrees, true);
  });
}

const cube = (state) => state.cards.find((card) => card.shown && card.layer.view === "cube");

async function point(state, longitude, latitude) {
  // A raster has one value in each band; a cube has a series, and comes first.
  const card = cube(state) ?? state.cards.find((each) => each.shown && each.layer.view === "raster");
  if (!card) return state.say(MAP.values);
  state.say(MAP.reading);
  try {
    const words = new URLSearchParams({ lon: longitude, lat: latitude, variable: card.variable });
    const found = await asked(`${card.layer.tiles}/point?${words}`);
    chart(state, found, `${latitude.toFixed(4)}, ${longitude.toFixed(4)}`);
  } catch (fault) {
    state.say(String(fault.message), true);
  }
}

function chart(state, found, where) {
  state.say("");
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const title = [found.title || found.variable, found.unit && `[${found.unit}]`].filter(Boolean).join(" ");
  const count = found.values.filter((value) => value !== null).length;
  const single = found.values.length === 1 ? `: ${short(found.values[0]) || MAP.empty}` : "";
  const about = Object.assign(document.createElement("span"), { textContent: MAP.counted(where, count, found.values.length) });
  caption.append(Object.assign(document.createElement("strong"), { textContent: title + single }), about);
  figure.append(caption);
  if (found.values.length > 1 && found.variable === "value" && found.values.length < 13) figure.append(listed(found));
  else if (found.values.length > 1) figure.append(series(found));
  state.charts.replaceChildren(figure, ...[...state.charts.children].slice(0, 2));
}

// A few bands are named, not joined by a line.
function listed(found) {
  const terms = document.createElement("dl");
  found.values.forEach((value, at) => terms.append(Object.assign(document.createElement("dt"), { textContent: found.times[at] }), Object.assign(document.createElement("dd"), { textContent: short(value) || MAP.empty })));
  return terms;
}

function drawing(state) {
  const { ol, map } = state;
  const button = document.querySelector("#results-draw");
  const source = new ol.source.Vector();
  const line = new ol.style.Style({ stroke: new ol.style.Stroke({ color: colour("--accent", "#0b6b5b"), width: 2 }), fill: new ol.style.Fill({ color: "rgba(11,107,91,.1)" }) });
  map.addLayer(new ol.layer.Vector({ source, style: line, zIndex: 900 }));
  let draw = null;
  const stop = () => {
    if (draw) map.removeInteraction(draw);
    draw = null;
    button.setAttribute("aria-pressed", "false");
    // The double click that ends a polygon is a click too.
    setTimeout(() => (state.drawing = false), 300);
  };
  button.addEventListener("click", () => {
    if (draw) return stop();
    if (!cube(state)) return state.say(MAP.cubes);
    source.clear();
    state.drawing = true;
    button.setAttribute("aria-pressed", "true");
    state.say(MAP.corners);
    draw = new ol.interaction.Draw({ source, type: "Polygon" });
    draw.on("drawend", (event) => {
      const geometry = event.feature.getGeometry().clone().transform("EPSG:3857", "EPSG:4326");
      stop();
      area(state, { type: "Polygon", coordinates: geometry.getCoordinates() });
    });
    map.addInteraction(draw);
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && draw && stop());
}

async function area(state, geometry) {
  const card = cube(state);
  if (!card) return;
  state.say(MAP.series);
  try {
    const body = JSON.stringify({ geometry, variable: card.variable });
    const found = await asked(`${card.layer.tiles}/area`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    chart(state, found, MAP.cells(found.cells));
  } catch (fault) {
    state.say(String(fault.message), true);
  }
}
