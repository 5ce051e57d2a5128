// A file that is too large is told before it is sent.
const form = document.querySelector("form[data-largest]");
for (const input of form?.querySelectorAll("input[type=file]") ?? []) {
  const says = Object.assign(document.createElement("p"), { className: "wrong" });
  says.setAttribute("role", "status");
  input.after(says);
  input.addEventListener("change", () => {
    const large = [...input.files].find((file) => file.size > +form.dataset.largest);
    says.textContent = large ? `${large.name} has ${(large.size / 2 ** 30).toFixed(1)} GiB; a form takes 2. Put it into S3, and name its URL.` : "";
    if (large) input.value = "";
  });
}
