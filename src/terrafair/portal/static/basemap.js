// A map over the bundled basemap. The element's file is large: it is fetched when a map is first needed.
export const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export async function mapIn(box, layers, extent) {
  if (!customElements.get("eox-map")) await import(box.dataset.element);
  await customElements.whenDefined("eox-map");
  const map = document.createElement("eox-map");
  box.append(map);
  map.controls = { Zoom: {} };
  map.layers = [...layers, basemap(box.dataset.basemap)].filter(Boolean);
  map.center = [10, 25];
  map.zoom = 1;
  if (extent) fit(map, extent);
  new ResizeObserver(() => map.map?.updateSize()).observe(box);
  return map;
}

export const basemap = (url) => ({
  type: "Vector",
  properties: { id: "basemap" },
  zIndex: 0,
  source: { type: "Vector", url, format: "GeoJSON" },
  style: { "fill-color": style("--land"), "stroke-color": style("--coast"), "stroke-width": 0.6 },
});

export const polygon = ([west, south, east, north], properties = {}) => {
  const right = east < west ? east + 360 : east;
  return {
    type: "Feature",
    properties,
    geometry: {
      type: "Polygon",
      coordinates: [[[west, south], [right, south], [right, north], [west, north], [west, south]]],
    },
  };
};

export const vector = (id, features, colour, width = 1.5) => ({
  type: "Vector",
  properties: { id },
  zIndex: 5,
  source: {
    type: "Vector",
    format: "GeoJSON",
    url: "data:application/json," + encodeURIComponent(JSON.stringify({ type: "FeatureCollection", features })),
  },
  style: { "fill-color": colour + "22", "stroke-color": colour, "stroke-width": width },
});

export function fit(map, [west, south, east, north]) {
  const right = east < west ? east + 360 : east;
  const limit = (degrees) => Math.max(-84, Math.min(84, degrees));
  const room = Math.max((right - west) * 0.1, (north - south) * 0.1, 0.002);
  map.zoomExtent = transformed([west - room, limit(south - room), right + room, limit(north + room)]);
}

// Web Mercator, as the map's view has it.
const metres = ([longitude, latitude]) => [
  (longitude * 20037508.342789244) / 180,
  (Math.log(Math.tan(((90 + latitude) * Math.PI) / 360)) / Math.PI) * 20037508.342789244,
];
const degrees = ([x, y]) => [
  (x / 20037508.342789244) * 180,
  (Math.atan(Math.sinh((y / 20037508.342789244) * Math.PI)) * 180) / Math.PI,
];
export const transformed = ([west, south, east, north]) => {
  const limit = (latitude) => Math.max(-85, Math.min(85, latitude));
  return [...metres([west, limit(south)]), ...metres([east, limit(north)])];
};
export const place = (coordinate) => degrees(coordinate);

export function view(map) {
  const [west, south, east, north] = map.map.getView().calculateExtent(map.map.getSize());
  const box = [...degrees([west, south]), ...degrees([east, north])];
  return [Math.max(-180, box[0]), Math.max(-90, box[1]), Math.min(180, box[2]), Math.min(90, box[3])];
}

// Two corners, by press and release: gives the box to `done` once.
export function draw(map, done) {
  const inner = map.map;
  const target = inner.getTargetElement();
  target.style.cursor = "crosshair";
  let start = null;
  const where = (event) => degrees(inner.getEventCoordinate(event));
  const hold = (on) => inner.getInteractions().forEach((each) => each.setActive(!on));
  const frame = document.createElement("div");
  frame.style.cssText = "position:absolute;border:2px solid " + style("--accent") + ";pointer-events:none;z-index:9";
  const down = (event) => {
    start = { place: where(event), x: event.clientX, y: event.clientY };
    target.append(frame);
    event.preventDefault();
    event.stopPropagation();
  };
  const move = (event) => {
    if (!start) return;
    const bounds = target.getBoundingClientRect();
    frame.style.left = Math.min(start.x, event.clientX) - bounds.left + "px";
    frame.style.top = Math.min(start.y, event.clientY) - bounds.top + "px";
    frame.style.width = Math.abs(event.clientX - start.x) + "px";
    frame.style.height = Math.abs(event.clientY - start.y) + "px";
  };
  const up = (event) => {
    if (!start) return;
    const [a, b] = [start.place, where(event)];
    end();
    if (a[0] !== b[0] && a[1] !== b[1])
      done([Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]), Math.max(a[1], b[1])]);
  };
  const end = () => {
    frame.remove();
    hold(false);
    target.style.cursor = "";
    target.removeEventListener("pointerdown", down, true);
    window.removeEventListener("pointermove", move);
    window.removeEventListener("pointerup", up);
  };
  hold(true);
  target.addEventListener("pointerdown", down, true);
  window.addEventListener("pointermove", move);
  window.addEventListener("pointerup", up);
}

export const rounded = (value, digits = 4) => String(+value.toFixed(digits));

// Corner by corner: `paint` gets the feature after each click, `done` the closed ring, or null for less than three corners.
export function outline(map, paint, done) {
  const inner = map.map;
  const target = inner.getTargetElement();
  target.style.cursor = "crosshair";
  const corners = [];
  const ring = () => [...corners, corners[0]];
  const click = (event) => {
    const [longitude, latitude] = degrees(inner.getEventCoordinate(event));
    corners.push([+rounded(longitude, 5), +rounded(latitude, 5)]);
    paint({ type: "Feature", properties: {}, geometry: geometry(corners, ring()) });
    event.stopPropagation();
  };
  target.addEventListener("click", click, true);
  return () => {
    target.removeEventListener("click", click, true);
    target.style.cursor = "";
    done(corners.length > 2 ? ring() : null);
  };
}

const geometry = (corners, ring) =>
  corners.length > 2
    ? { type: "Polygon", coordinates: [ring] }
    : { type: "LineString", coordinates: corners.length > 1 ? corners : [corners[0], corners[0].map((each) => each + 1e-4)] };

// Any GeoJSON as one feature that the map can draw.
export function shape(found) {
  if (found.type === "FeatureCollection")
    return { type: "Feature", properties: {}, geometry: { type: "GeometryCollection", geometries: found.features.map((each) => each.geometry) } };
  return found.type === "Feature" ? found : { type: "Feature", properties: {}, geometry: found };
}

export function extent(feature) {
  const ends = [180, 90, -180, -90];
  const walk = (each) => {
    if (typeof each[0] === "number") {
      [ends[0], ends[1]] = [Math.min(ends[0], each[0]), Math.min(ends[1], each[1])];
      [ends[2], ends[3]] = [Math.max(ends[2], each[0]), Math.max(ends[3], each[1])];
    } else each.forEach(walk);
  };
  const all = (one) => (one.geometries ? one.geometries.forEach(all) : walk(one.coordinates));
  all(feature.geometry);
  return ends[0] <= ends[2] ? ends : null;
}
