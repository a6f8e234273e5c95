"use strict";
// Corrections: polygons and brush strokes with the right class. The server keeps them in a file.

function createCorrections(file, classes, stage) {
  const select = document.getElementById("class");
  const width = document.getElementById("brush-width");
  const colors = new Map(classes.map(({value, color}) => [value, color]));
  const groups = stage.maps.map((map) => L.layerGroup().addTo(map));
  let vertices = [];
  let stroke = null;
  let sketch = null;
  let latest = ask("corrections").then(draw);

  function tool() {
    return document.querySelector("input[name=tool]:checked").value;
  }

  function setTool(value) {
    document.querySelector(`input[name=tool][value="${value}"]`).checked = true;
    cancel();
    document.body.classList.toggle("drawing", value !== "");
    for (const map of stage.maps) {
      map.doubleClickZoom[value === "" ? "enable" : "disable"]();
      map.dragging[value === "brush" ? "disable" : "enable"]();
    }
  }

  function setSketch(layer, map) {
    if (sketch) sketch.remove();
    sketch = layer && layer.addTo(map);
  }

  function cancel() {
    vertices = [];
    stroke = null;
    setSketch(null);
  }

  function color() {
    return colors.get(Number(select.value));
  }

  function draw(answer) {
    if (answer === null) return;
    document.getElementById("undo").disabled = answer.undo === 0;
    document.getElementById("redo").disabled = answer.redo === 0;
    document.getElementById("corrected").textContent = `${answer.undo} in ${file}`;
    for (const group of groups) {
      group.clearLayers();
      for (const item of answer.corrections) {
        const style = {color: "#fff", weight: 2, dashArray: "6 4", interactive: false};
        const fill = {fillColor: colors.get(item.class_id) ?? "#888", fillOpacity: 0.75};
        group.addLayer(L.polygon(toLatLngs(item.rings), {...style, ...fill}));
      }
    }
  }

  // A request waits for the one before, so that shapes are kept in the order of their drawing.
  function change(path, content = {}) {
    tell("");
    latest = latest.then(async () => draw(await ask(path, content)));
  }

  function send(kind, places) {
    const points = places.map(({lat, lng}) => [lng, -lat]);
    const content = {kind, points, class_id: Number(select.value), width: Number(width.value)};
    change("correct", content);
  }

  function addVertex(latlng, map) {
    vertices.push(latlng);
    setSketch(L.polygon(vertices, {color: "#fff", weight: 2, fillColor: color(), interactive: false}), map);
  }

  function finish() {
    if (vertices.length >= 3) send("polygon", vertices);
    cancel();
  }

  function paint(latlng, map) {
    stroke.push(latlng);
    const weight = Number(width.value) * 2 ** map.getZoom();
    setSketch(L.polyline(stroke, {color: color(), weight, opacity: 0.7, interactive: false}), map);
  }

  // Use the chosen tool at a place; return false if no tool is chosen.
  function act(latlng, map) {
    if (tool() === "polygon") addVertex(latlng, map);
    else if (tool() === "brush") send("brush", [latlng]);
    return tool() !== "";
  }

  for (const map of stage.maps) {
    const area = map.getContainer();
    map.on("dblclick", () => tool() === "polygon" && finish());
    area.addEventListener("pointerdown", (event) => {
      if (tool() !== "brush" || event.button !== 0 || event.target.closest(".leaflet-control, #divider")) return;
      area.setPointerCapture(event.pointerId);
      stroke = [];
      paint(map.mouseEventToLatLng(event), map);
    });
    area.addEventListener("pointermove", (event) => stroke && paint(map.mouseEventToLatLng(event), map));
    area.addEventListener("pointerup", () => {
      if (!stroke) return;
      send("brush", stroke);
      cancel();
    });
    area.addEventListener("pointercancel", cancel);
  }
  classes.forEach(({value, name}, index) => {
    select.add(new Option(index < 9 ? `${index + 1} ${name}` : name, value));
  });
  document.querySelectorAll("input[name=tool]").forEach((radio) => {
    radio.addEventListener("change", () => setTool(radio.value));
  });
  document.getElementById("undo").addEventListener("click", () => change("undo"));
  document.getElementById("redo").addEventListener("click", () => change("redo"));
  document.getElementById("correct-section").hidden = false;
  return {
    act,
    finish,
    setTool,
    tool,
    undo: () => change("undo"),
    redo: () => change("redo"),
    chooseClass(index) {
      if (index < classes.length) select.selectedIndex = index;
    },
    resizeBrush(factor) {
      width.value = Math.min(4096, Math.max(1, Math.round(Number(width.value) * factor + Math.sign(factor - 1))));
    },
  };
}
