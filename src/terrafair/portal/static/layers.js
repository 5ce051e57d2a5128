// Layers of a job on the map: rasters and cubes by the tile server, GeoJSON by the browser.
import { mapIn, fit, place, style, transformed } from "./basemap.js";
import { series, histogram, short } from "./charts.js";

const config = JSON.parse(document.querySelector("#config").textContent);
const mapping = document.querySelector("#mapping");
const box = document.querySelector("#layers-map");
const cards = [...document.querySelectorAll("[data-layer]")];
const part = (card, name) => card.querySelector(`[data-part=${name}]`);
const state = config.map(() => ({}));
mapping.hidden = false;
const map = await mapIn(box, []);

const say = (at, text) => (part(cards[at], "says").textContent = text);

async function asked(url) {
  const reply = await fetch(url);
  const found = await reply.json();
  if (!reply.ok) throw new Error(found.problems?.[0]?.what || found.title);
  return found;
}

function query(at) {
  const card = cards[at];
  const words = new URLSearchParams();
  const { about } = state[at];
  if (about?.variable) words.set("variable", about.variable);
  const ramp = part(card, "ramp").value;
  if (ramp) words.set("ramp", ramp);
  const [low, high] = [part(card, "low").value, part(card, "high").value];
  if (low && high && state[at].changed) words.set("rescale", `${low},${high}`);
  const picks = [...card.querySelectorAll("[data-dimension]")].map((each) => `${each.dataset.dimension}:${each.value}`);
  if (picks.length) words.set("index", picks.join(","));
  return words.toString();
}

function layer(at) {
  const { name, tiles, href, layer: kind } = config[at];
  const common = { properties: { id: name }, zIndex: 3 + at };
  if (kind === "vector") {
    const colour = style("--bad");
    const look = { "stroke-color": colour, "stroke-width": 1.5, "fill-color": colour + "22" };
    const point = { "circle-radius": 5, "circle-fill-color": colour };
    return { ...common, type: "Vector", zIndex: 40 + at, source: { type: "Vector", url: href, format: "GeoJSON" }, style: { ...look, ...point } };
  }
  const url = `${tiles}/{z}/{x}/{y}.png?${query(at)}`;
  return { ...common, ...reach(state[at].about?.bounds), type: "Tile", opacity: part(cards[at], "opacity").value / 100, source: { type: "XYZ", url } };
}

// Where tiles are worth asking for: not beside the data, and not where all of it would be a speck.
function reach(bounds) {
  if (!bounds) return {};
  const [west, , east] = bounds;
  const width = Math.min(360, Math.max(east - west, 1e-6));
  return { extent: transformed(bounds), minZoom: Math.max(0, Math.floor(Math.log2(360 / width)) - 4) };
}

function draw(at) {
  const old = map.getLayerById(config[at].name);
  if (old) map.map.removeLayer(old);
  if (part(cards[at], "shown").checked) map.addOrUpdateLayer(layer(at));
}

async function legend(at) {
  const found = await asked(`${config[at].tiles}/about?${query(at)}`);
  const place = part(cards[at], "legend");
  place.replaceChildren();
  if (found.legend?.length) {
    const ramp = document.createElement("span");
    ramp.className = "ramp";
    ramp.style.background = `linear-gradient(90deg, ${found.legend.map((step) => step.colour).join(",")})`;
    const ends = [found.legend[0], found.legend[Math.floor(found.legend.length / 2)], found.legend.at(-1)];
    place.append(ramp, ...ends.map((step) => Object.assign(document.createElement("span"), { textContent: short(step.value) })));
  }
  return found;
}

async function prepare(at) {
  const card = cards[at];
  const found = (state[at].about = await legend(at));
  part(card, "style").hidden = false;
  [part(card, "low").value, part(card, "high").value] = found.rescale[0].map(short);
  const shapes = found.histograms?.filter((each) => each.counts.length) ?? [];
  part(card, "histogram").replaceChildren(...shapes.slice(0, 3).map(histogram));
  for (const [name, labels] of Object.entries(found.dimensions ?? {})) {
    const label = document.createElement("label");
    const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: labels.length - 1, value: 0 });
    slider.dataset.dimension = name;
    const shown = document.createElement("output");
    const tell = () => {
      shown.textContent = labels[+slider.value];
      slider.setAttribute("aria-valuetext", labels[+slider.value]);
    };
    tell();
    slider.addEventListener("input", tell);
    slider.addEventListener("change", () => draw(at));
    label.append(`${name} `, shown, slider);
    part(card, "dimensions").append(label);
  }
  const title = [found.title, found.unit].filter(Boolean).join(", ");
  say(at, title);
}

async function show(at, moving = true) {
  const { layer: kind } = config[at];
  try {
    if (kind !== "vector" && !state[at].about) await prepare(at);
    if (moving && state[at].about?.bounds) fit(map, state[at].about.bounds);
    draw(at);
    if (moving && kind === "vector") await around(at);
  } catch (fault) {
    say(at, String(fault.message));
    part(cards[at], "shown").checked = false;
  }
}

async function around(at) {
  const found = await asked(config[at].href);
  const ends = [180, 90, -180, -90];
  const walk = (each) => {
    if (typeof each[0] === "number") {
      [ends[0], ends[1]] = [Math.min(ends[0], each[0]), Math.min(ends[1], each[1])];
      [ends[2], ends[3]] = [Math.max(ends[2], each[0]), Math.max(ends[3], each[1])];
    } else each.forEach(walk);
  };
  for (const feature of found.features ?? [found]) if (feature.geometry?.coordinates) walk(feature.geometry.coordinates);
  if (ends[0] <= ends[2]) fit(map, ends);
}

async function point(longitude, latitude) {
  const place = document.querySelector("#series");
  const at = config.findIndex((each, number) => each.layer === "cube" && part(cards[number], "shown").checked);
  const form = document.querySelector("#place");
  [form.lon.value, form.lat.value] = [longitude.toFixed(5), latitude.toFixed(5)];
  if (at < 0) {
    place.textContent = "A place has a series where a cube is shown.";
    return;
  }
  const words = new URLSearchParams({ lon: longitude, lat: latitude, variable: state[at].about?.variable ?? "" });
  try {
    const found = await asked(`${config[at].tiles}/point?${words}`);
    const title = document.createElement("h2");
    title.textContent = `${found.title || found.variable} at ${longitude.toFixed(4)}, ${latitude.toFixed(4)}`;
    place.replaceChildren(title, series(found));
  } catch (fault) {
    place.textContent = String(fault.message);
  }
}

cards.forEach((card, at) => {
  part(card, "shown").addEventListener("change", (event) => (event.target.checked ? show(at) : draw(at)));
  if (config[at].layer === "vector") return;
  part(card, "opacity").addEventListener("input", (event) => map.getLayerById(config[at].name)?.setOpacity(event.target.value / 100));
  const restyle = () => {
    draw(at);
    legend(at).catch((fault) => say(at, String(fault.message)));
  };
  part(card, "ramp").addEventListener("change", restyle);
  for (const side of ["low", "high"])
    part(card, side).addEventListener("change", () => {
      state[at].changed = true;
      restyle();
    });
});
document.querySelector("#place").addEventListener("submit", (event) => {
  event.preventDefault();
  const [longitude, latitude] = [parseFloat(event.target.lon.value), parseFloat(event.target.lat.value)];
  if (Number.isFinite(longitude) && Number.isFinite(latitude)) point(longitude, latitude);
  else document.querySelector("#series").textContent = "Longitude and latitude are numbers of degrees.";
});
map.map.on("singleclick", (event) => point(...place(event.coordinate)));

const first = Math.max(0, config.findIndex((each) => each.name === mapping.dataset.file));
part(cards[first], "shown").checked = true;
await show(first);
box.dataset.ready = "yes";
