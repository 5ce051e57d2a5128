// Follows a job's log; a lost connection goes on from the line it had (the browser sends its number).
const log = document.querySelector("#log");
let following = true;
log.addEventListener("scroll", () => (following = log.scrollTop + log.clientHeight > log.scrollHeight - 24));
const stream = new EventSource(`${log.dataset.stream}?since=${log.dataset.next}`);
stream.addEventListener("message", (event) => {
  const line = JSON.parse(event.data);
  const row = document.createElement("span");
  row.className = line.level;
  row.textContent = `${line.time.slice(11, 19)}  ${line.message}`;
  log.append(row, "\n");
  if (following) log.scrollTop = log.scrollHeight;
});
stream.addEventListener("ended", () => {
  stream.close();
  location.reload();
});
