"use strict";
// Tooltips: every drawn part says in words what it shows. Without this the tables say the same.
const tip = document.createElement("div");
tip.className = "tip";
tip.hidden = true;
tip.setAttribute("role", "tooltip");
document.body.append(tip);
const show = (event) => {
  const about = event.target.closest?.("[data-tip]");
  tip.hidden = !about;
  if (!about) return;
  tip.textContent = about.getAttribute("data-tip");
  const box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(6, event.clientX - box.width / 2), innerWidth - box.width - 6);
  const above = event.clientY - box.height - 14;
  tip.attributeStyleMap?.set("left", CSS.px(left));
  tip.attributeStyleMap?.set("top", CSS.px(above < 4 ? event.clientY + 18 : above));
};
for (const name of ["pointermove", "pointerdown"]) document.addEventListener(name, show);
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
// Printed, the tables behind the plots are open.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
