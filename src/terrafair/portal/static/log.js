// Follows a job's log; a lost connection goes on from the line it had (the browser sends its number).
const log = document.querySelector("#log");
let following = true;
log.addEventListener("scroll", () => (following = log.scrollTop + log.clientHeight > log.scrollHeight - 24));
const stream = new EventSource(`${log.dataset.stream}?since=${log.dataset.next}`);
stream.addEventListener("message", (event) => {
  const line = JSON.parse(event.data);
  // What tells nothing but its progress has no words.
  if (!line.message) return;
  const row = document.createElement("span");
  row.className = line.level;
  row.id = `L${line.line}`;
  row.textContent = `${line.time.slice(11, 19)}  ${line.message}`;
  log.append(row, "\n");
  if (following) log.scrollTop = log.scrollHeight;
});
stream.addEventListener("ended", () => {
  stream.close();
  location.reload();
});

// Steps, figures and charts are what the server makes of them: the same page again, its live parts exchanged.
async function refresh() {
  try {
    const reply = await fetch(location.pathname, { headers: { Accept: "text/html" } });
    if (reply.ok) {
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(part.id);
        // What somebody is in stays as it is.
        if (fresh && fresh.innerHTML !== part.innerHTML && !part.contains(document.activeElement)) part.replaceChildren(...fresh.childNodes);
      }
      const [bar, now] = [document.querySelector("#progress"), page.querySelector("#progress")];
      if (bar && now?.hasAttribute("value")) bar.value = Number(now.getAttribute("value"));
    }
  } catch {
    // The server is away for a moment; the stream says when it is back.
  }
  setTimeout(refresh, 2500);
}
setTimeout(refresh, 1500);
