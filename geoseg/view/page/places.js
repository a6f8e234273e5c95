"use strict";
// Jump to places of the map, one after another: those of a file, or the least certain ones.

function createPlaces(title, stage, showPixel) {
  let places = null;
  let loading = false;
  let index = -1;

  async function go(step) {
    if (loading) return;
    if (places === null) {
      tell("Loading the places ...");
      loading = true;
      const answer = await ask("places");
      loading = false;
      if (answer === null) return;
      tell("");
      places = answer.places;
    }
    if (places.length === 0) {
      document.getElementById("place").textContent = "There are no places on this map.";
      return;
    }
    index = index < 0 && step < 0 ? places.length - 1 : (index + step + places.length) % places.length;
    const {row, col, size, text} = places[index];
    document.getElementById("place").textContent =
      `${index + 1} of ${places.length}${text ? ": " : ""}${text}`;
    const around = L.latLngBounds(toLatLng(row + size, col - size), toLatLng(row - size, col + size));
    stage.maps[0].fitBounds(around, {animate: false, maxZoom: 3});
    showPixel({row, col});
  }

  document.getElementById("places-title").textContent = title;
  document.getElementById("places-section").hidden = false;
  document.getElementById("next-place").addEventListener("click", () => go(1));
  document.getElementById("previous-place").addEventListener("click", () => go(-1));
  return {go};
}
