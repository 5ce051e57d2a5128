// A file that is too large is told before it is sent.
import { FILES } from "./words.js";

const form = document.querySelector("form[data-largest]");
for (const input of form?.querySelectorAll("input[type=file]") ?? []) {
  const says = Object.assign(document.createElement("p"), { className: "wrong" });
  says.setAttribute("role", "status");
  input.after(says);
  input.addEventListener("change", () => {
    const large = [...input.files].find((file) => file.size > +form.dataset.largest);
    says.textContent = large ? FILES.large(large.name, large.size, +form.dataset.largest) : "";
    if (large) input.value = "";
  });
}
