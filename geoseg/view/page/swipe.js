"use strict";
// Show two layers of the same place: with a divider between them, one over the other, or side by side.

const LAYER_NAMES = {image: "Scene", map: "Map", compare: "Second map", confidence: "Confidence"};

// Return the stage: its two Leaflet maps, and functions that change what they show.
// createLayer(name, pane) makes a layer of Leaflet; `layers` are the names that it knows.
function createStage(grid, layers, createLayer) {
  const maps = ["left", "right"].map((id) => createMap(id, grid, grid.levels));
  const [first, second] = maps;
  const selects = ["left-layer", "right-layer"].map((id) => document.getElementById(id));
  const opacity = document.getElementById("opacity");
  const divider = createDivider(first);
  let shown = [];
  let syncing = false;

  function mode() {
    return document.querySelector("input[name=mode]:checked").value;
  }

  function show() {
    shown.forEach((layer) => layer.remove());
    const side = mode() === "side";
    document.body.classList.toggle("side", side);
    maps.forEach((map) => map.invalidateSize({animate: false}));
    const [below, above] = selects.map((select) => select.value);
    shown = [
      createLayer(below, "tilePane").addTo(first),
      createLayer(above, side ? "tilePane" : "above").addTo(side ? second : first),
    ];
    shown[1].setOpacity(Number(opacity.value));
    divider.setVisible(mode() === "swipe");
    follow(first, second);
  }

  function follow(leader, other) {
    if (syncing || mode() !== "side") return;
    syncing = true;
    other.setView(leader.getCenter(), leader.getZoom(), {animate: false});
    syncing = false;
  }

  function setMode(value) {
    document.querySelector(`input[name=mode][value=${value}]`).checked = true;
    show();
  }

  selects.forEach((select, index) => {
    layers.forEach((name) => select.add(new Option(LAYER_NAMES[name], name)));
    select.value = layers[Math.min(index, layers.length - 1)];
    select.addEventListener("change", show);
  });
  document.querySelectorAll("input[name=mode]").forEach((radio) => radio.addEventListener("change", show));
  opacity.addEventListener("input", () => shown[1].setOpacity(Number(opacity.value)));
  first.on("move", () => follow(first, second));
  second.on("move", () => follow(second, first));
  show();
  return {maps, show, setMode, moveDivider: divider.move};
}

// Return the divider of a swipe: the pane "above" is only visible to the right of it.
function createDivider(map) {
  const line = document.createElement("div");
  const pane = map.getPane("above");
  let share = 0.5;
  let visible = true;
  line.id = "divider";
  line.tabIndex = 0;
  line.setAttribute("role", "slider");
  line.setAttribute("aria-label", "Divider between the left and the right layer");
  line.setAttribute("aria-valuemin", "0");
  line.setAttribute("aria-valuemax", "100");
  map.getContainer().append(line);
  L.DomEvent.disableClickPropagation(line);

  function clip() {
    const size = map.getSize();
    line.style.left = `${share * size.x}px`;
    line.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    if (!visible) {
      pane.style.clipPath = "";
      return;
    }
    const from = map.containerPointToLayerPoint([share * size.x, 0]);
    const to = map.containerPointToLayerPoint(size);
    const corners = [[from.x, from.y], [to.x, from.y], [to.x, to.y], [from.x, to.y]];
    pane.style.clipPath = `polygon(${corners.map(([x, y]) => `${x}px ${y}px`).join(",")})`;
  }

  function moveTo(value) {
    share = Math.min(1, Math.max(0, value));
    clip();
  }

  line.addEventListener("keydown", (event) => {
    const step = {ArrowLeft: -0.05, ArrowRight: 0.05}[event.key];
    if (step === undefined) return;
    event.stopPropagation();
    moveTo(share + step);
  });
  line.addEventListener("pointerdown", (event) => line.setPointerCapture(event.pointerId));
  line.addEventListener("pointermove", (event) => {
    if (!line.hasPointerCapture(event.pointerId)) return;
    const box = map.getContainer().getBoundingClientRect();
    moveTo((event.clientX - box.left) / box.width);
  });
  map.on("move zoom zoomend viewreset resize", clip);
  return {
    move: (step) => moveTo(share + step),
    setVisible(value) {
      visible = value;
      line.hidden = !value;
      clip();
    },
  };
}
