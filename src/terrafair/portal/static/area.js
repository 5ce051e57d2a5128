// Small maps beside the four sides of an area.
import { mapIn, polygon, vector, draw, outline, shape, extent, style, rounded } from "./basemap.js";
import { AREA } from "./words.js";

for (const box of document.querySelectorAll("[data-draws]")) {
  const group = box.closest("fieldset");
  const input = (side) => group.querySelector(`[data-side=${side}]`);
  const sides = ["west", "south", "east", "north"];
  const inDegrees = () => !input("crs")?.value || ["4326", "EPSG:4326"].includes(input("crs").value);
  const area = () => {
    const values = sides.map((side) => parseFloat(input(side).value));
    const fits = values.every(Number.isFinite) && Math.abs(values[0]) <= 360 && Math.abs(values[1]) <= 90;
    return fits && inDegrees() ? values : null;
  };
  const start = async () => {
    const now = area();
    const map = await mapIn(box, now ? [vector("area", [polygon(now)], style("--accent"), 2)] : [], now);
    const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: AREA.draw });
    box.after(button);
    const paint = (drawn) => map.addOrUpdateLayer(vector("area", [polygon(drawn)], style("--accent"), 2));
    button.addEventListener("click", () =>
      draw(map, (drawn) => {
        sides.forEach((side, at) => (input(side).value = rounded(drawn[at], 5)));
        if (input("crs")) input("crs").value = input("crs").dataset.degrees ?? "4326";
        paint(drawn);
      }),
    );
    group.addEventListener("change", () => area() && paint(area()));
    box.dataset.ready = "yes";
  };
  new IntersectionObserver((seen, watcher) => {
    if (!seen.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    start();
  }).observe(box);
}

// Polygons: GeoJSON in a text, drawn corner by corner.
for (const box of document.querySelectorAll("[data-polygon]")) {
  const text = box.closest("fieldset").querySelector("textarea");
  const read = () => {
    try {
      return shape(JSON.parse(text.value));
    } catch {
      return null;
    }
  };
  const start = async () => {
    const now = read();
    const map = await mapIn(box, now ? [vector("area", [now], style("--accent"), 2)] : [], now && extent(now));
    const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: AREA.polygon });
    const about = Object.assign(document.createElement("span"), { className: "about" });
    about.setAttribute("role", "status");
    const row = Object.assign(document.createElement("p"), { className: "row" });
    row.append(button, about);
    box.after(row);
    const paint = (feature) => map.addOrUpdateLayer(vector("area", [feature], style("--accent"), 2));
    let end = null;
    button.addEventListener("click", () => {
      if (end) {
        end();
        return;
      }
      button.textContent = AREA.finish;
      about.textContent = AREA.how;
      end = outline(map, paint, (ring) => {
        end = null;
        button.textContent = AREA.polygon;
        about.textContent = ring ? AREA.corners(ring.length - 1) : AREA.few;
        if (!ring) return;
        text.value = JSON.stringify({ type: "Polygon", coordinates: [ring] });
        text.dispatchEvent(new Event("change", { bubbles: true }));
      });
    });
    text.addEventListener("change", () => read() && paint(read()));
    box.dataset.ready = "yes";
  };
  new IntersectionObserver((seen, watcher) => {
    if (!seen.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    start();
  }).observe(box);
}
