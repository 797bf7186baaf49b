// Keeps the page current without a reload. A section in use (focus inside) is left alone, and
// opened details stay open.
const live = document.querySelector("#live");
live.checked = sessionStorage.getItem("live") !== "off";
live.addEventListener("change", () => sessionStorage.setItem("live", live.checked ? "on" : "off"));
async function refresh() {
  if (!live.checked || document.hidden) return;
  const answer = await fetch("/").catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const section of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(section.id);
    if (!next || section.contains(document.activeElement)) continue;
    for (const open of section.querySelectorAll("details[open]")) {
      const twin = open.id && next.querySelector("#" + CSS.escape(open.id));
      if (twin) twin.open = true;
    }
    if (section.innerHTML !== next.innerHTML) section.innerHTML = next.innerHTML;
  }
}
setInterval(refresh, 2000);
