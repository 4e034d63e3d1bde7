"use strict";
(() => {
  const get = (id) => document.getElementById(id);
  const copy = get("copy");
  if (copy && navigator.clipboard) {
    copy.hidden = false;
    copy.addEventListener("click", () => {
      navigator.clipboard.writeText(get("command").textContent).then(() => {
        copy.textContent = "Copied";
      });
    });
  }
  const viewer = get("viewer");
  if (!viewer) return;
  const stage = get("stage");
  const sizes = stage.dataset.sizes.trim().split(" ").map((pair) => pair.split(",").map(Number));
  const names = { reference: "Reference", before: "Moving, " + stage.dataset.begin, after: "Moving, after" };
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  let running = !still;
  let over = true; // which picture a flicker shows
  let timer = null;

  const chosen = (name) => viewer.querySelector(`input[name="${name}"]:checked`)?.value ?? "0";
  const set = (element, attributes) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  };

  function edge() {
    const [width, height] = sizes[Number(chosen("place"))];
    const x = (get("swipe").value / 1000) * width;
    set(get("stage-cut"), { x, width: width - x, height });
    set(get("stage-edge"), { x1: x, x2: x, y1: 0, y2: height });
  }

  function squares() {
    const [width, height] = sizes[Number(chosen("place"))];
    const side = Math.max(width, height) / get("squares").value;
    set(get("stage-square"), { width: 2 * side, height: 2 * side });
    const [first, second] = get("stage-square").children;
    set(first, { width: side, height: side });
    set(second, { x: side, y: side, width: side, height: side });
  }

  function flick() {
    get("stage-top").style.visibility = over ? "visible" : "hidden";
    get("under-name").classList.toggle("shown", !over);
    get("over-name").classList.toggle("shown", over);
  }

  function beat() {
    clearInterval(timer);
    timer = null;
    get("flicker").textContent = running ? "Stop" : "Start";
    get("flicker").setAttribute("aria-pressed", String(running));
    if (running && chosen("mode") === "flicker") {
      timer = setInterval(() => {
        over = !over;
        flick();
      }, 700);
    }
  }

  function draw() {
    const place = chosen("place");
    const [under, top] = chosen("pair").split(" ");
    const [width, height] = sizes[Number(place)];
    const mode = chosen("mode");
    stage.setAttribute("viewBox", `0 0 ${width} ${height}`);
    get("stage-under").setAttribute("href", `#picture-${place}-${under}`);
    get("stage-over").setAttribute("href", `#picture-${place}-${top}`);
    get("under-name").textContent = names[under];
    get("over-name").textContent = names[top];
    get("swipe-part").hidden = mode !== "swipe";
    get("flicker-part").hidden = mode !== "flicker";
    get("checker-part").hidden = mode !== "checker";
    const group = get("stage-top");
    group.removeAttribute("clip-path");
    group.removeAttribute("mask");
    get("stage-edge").style.visibility = mode === "swipe" ? "visible" : "hidden";
    over = true;
    flick();
    if (mode === "swipe") group.setAttribute("clip-path", "url(#stage-clip)");
    if (mode === "checker") group.setAttribute("mask", "url(#stage-mask)");
    if (mode !== "flicker") {
      get("under-name").classList.add("shown");
    }
    edge();
    squares();
    beat();
  }

  viewer.addEventListener("change", (event) => {
    if (event.target.type === "radio") draw();
  });
  get("swipe").addEventListener("input", edge);
  get("squares").addEventListener("input", squares);
  get("flicker").addEventListener("click", () => {
    running = !running;
    beat();
  });
  get("blink").addEventListener("click", () => {
    running = false;
    over = !over;
    beat();
    flick();
  });
  const follow = (event) => {
    if (chosen("mode") !== "swipe" || (event.type === "pointermove" && !event.buttons)) return;
    const box = stage.getBoundingClientRect();
    const [width, height] = sizes[Number(chosen("place"))];
    const shown = Math.min(box.width, (box.height * width) / height); // the picture is centred
    const x = (event.clientX - box.left - (box.width - shown) / 2) / shown;
    get("swipe").value = Math.round(1000 * Math.min(1, Math.max(0, x)));
    edge();
  };
  stage.addEventListener("pointerdown", follow);
  stage.addEventListener("pointermove", follow);
  viewer.hidden = false;
  draw();
})();
