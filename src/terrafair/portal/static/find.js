// Footprints on a map, and the area of a search drawn on it.
import { mapIn, polygon, vector, view, draw, style, rounded } from "./basemap.js";

const box = document.querySelector("#footprints-map");
const shapes = JSON.parse(document.querySelector("#footprints")?.textContent || "[]");
const search = document.querySelector("#search");
const field = (side) => document.querySelector(`#${side}`);
const sides = ["west", "south", "east", "north"];

async function show() {
  const asked = search && sides.every((side) => field(side).value) ? sides.map((side) => +field(side).value) : null;
  const layers = [vector("footprints", shapes.map((shape) => polygon(shape.box, shape)), style("--accent"))];
  if (asked) layers.unshift(vector("asked", [polygon(asked)], style("--bad"), 2));
  const whole = asked || union(shapes.map((shape) => shape.box));
  // Coasts and borders say where a small area lies.
  const around = whole && whole.map((side, at) => side + (at < 2 ? -1.5 : 1.5));
  const map = await mapIn(box, layers, around);
  const use = (area) => {
    sides.forEach((side, at) => (field(side).value = rounded(area[at], 3)));
    search.submit();
  };
  document.querySelector("#draw")?.addEventListener("click", () => draw(map, use));
  document.querySelector("#view")?.addEventListener("click", () => use(view(map)));
  box.dataset.ready = "yes";
}

function union(boxes) {
  if (!boxes.length) return null;
  return [0, 1, 2, 3].map((at) => (at < 2 ? Math.min : Math.max)(...boxes.map((each) => each[at])));
}

const details = document.querySelector("#mapbox");
if (!details) show();
else {
  // Who once opened the map sees it again on the next search.
  const wanted = sessionStorage.getItem("map") === "open" || (search && field("west").value);
  let shown = false;
  const toggled = () => {
    sessionStorage.setItem("map", details.open ? "open" : "closed");
    if (details.open && !shown) {
      shown = true;
      show();
    }
  };
  details.addEventListener("toggle", toggled);
  if (wanted) details.open = true;
}
