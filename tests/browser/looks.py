"""What can be seen of a page's accessibility: contrast, names, sizes, and where it overflows."""

from playwright.sync_api import Page

_FAULTS = """() => {
  const found = [];
  const rgba = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const solid = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = colour => { const [r, g, b] = solid(colour).map(v => v / 255).map(
    v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = node => { for (let at = node; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor; const parts = rgba(colour);
    if (parts.length < 4 || parts[3] > .99) return colour; } return "rgb(255, 255, 255)"; };
  for (const node of document.querySelectorAll("body *")) {
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    if (!box.width || style.visibility === "hidden") continue;
    const text = [...node.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (text) {
      const [a, b] = [light(style.color), light(behind(node))].sort((x, y) => y - x);
      const ratio = (a + .05) / (b + .05);
      if (ratio < 4.5) found.push(`contrast ${ratio.toFixed(2)}: ${node.outerHTML.slice(0, 80)}`);
    }
    if (node.matches("button, .button, input:not([type=hidden])") && box.height < 44)
      found.push(`${box.height} px high: ${node.outerHTML.slice(0, 80)}`);
    if (node.matches("input:not([type=hidden])") && !(node.labels && node.labels.length))
      found.push(`without label: ${node.outerHTML.slice(0, 80)}`);
    if (node.matches("a, button") && !node.textContent.trim())
      found.push(`without name: ${node.outerHTML}`);
    if (box.right > document.documentElement.clientWidth + 1)
      found.push(`cut off at the right: ${node.outerHTML.slice(0, 80)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map(n => n.id);
  if (new Set(ids).size < ids.length) found.push("an id twice");
  if (document.querySelectorAll("h1").length !== 1) found.push("not one heading");
  if (document.querySelectorAll("main").length !== 1) found.push("not one main part");
  if (!document.documentElement.lang) found.push("no language");
  if (!document.title.trim()) found.push("no title");
  if (!document.querySelector("main a[href], main button")) found.push("a dead end");
  return found;
}"""


def faults_of(page: Page) -> list[str]:
    """What a person with weak eyes, a small screen, a keyboard or a screen reader would meet.

    Contrast after WCAG 2.2, 1.4.3 (4.5 : 1); targets of 44 px (2.5.5).
    """
    found: list[str] = page.evaluate(_FAULTS)
    return found
