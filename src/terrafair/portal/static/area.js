// Small maps beside the four sides of an area.
import { mapIn, polygon, vector, draw, style, rounded } from "./basemap.js";

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
    const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Draw the area" });
    box.after(button);
    const paint = (drawn) => map.addOrUpdateLayer(vector("area", [polygon(drawn)], style("--accent"), 2));
    button.addEventListener("click", () =>
      draw(map, (drawn) => {
        sides.forEach((side, at) => (input(side).value = rounded(drawn[at], 5)));
        if (input("crs")) input("crs").value = "4326";
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
