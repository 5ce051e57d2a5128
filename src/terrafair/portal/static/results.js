// The page of a job's results: copy buttons, and the map once it is on the page.
import { COPY } from "./words.js";

for (const block of document.querySelectorAll("pre[data-copy]")) {
  const frame = Object.assign(document.createElement("div"), { className: "code" });
  const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: COPY.do });
  button.setAttribute("aria-label", COPY.label(block.getAttribute("aria-label")));
  block.replaceWith(frame);
  frame.append(block, button);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.textContent);
      button.textContent = COPY.done;
    } catch {
      // Without a secure origin there is no clipboard: mark it for the person instead.
      getSelection().selectAllChildren(block);
      button.textContent = COPY.marked;
    }
    setTimeout(() => (button.textContent = COPY.do), 2000);
  });
}

// A picture may have failed before this script came.
for (const picture of document.querySelectorAll(".previews img, .whole img, img.picture")) {
  const gone = () => picture.replaceWith(Object.assign(document.createElement("span"), { className: "gone", textContent: COPY.none }));
  if (picture.complete && picture.currentSrc && picture.naturalWidth <= 1) gone();
  else {
    picture.addEventListener("error", gone);
    // A dot stands for a picture that cannot be made.
    picture.addEventListener("load", () => picture.naturalWidth <= 1 && gone());
  }
}

const mapping = document.querySelector("#results-mapping");
if (mapping && JSON.parse(document.querySelector("#results-config").textContent).layers.length) {
  mapping.hidden = false;
  const { start } = await import(mapping.dataset.code);
  await start(mapping);
}
