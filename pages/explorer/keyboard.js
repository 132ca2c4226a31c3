// Keys. On the map arrows walk from the pinned point to the neighbour that lies most in their direction.
//
// While a dialog is open, or a word is being composed, keys are the browser's: nothing happens behind. Esc in a box leaves
// the box, and takes nothing else back.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// Of these rows the one to go to: near, and in this direction; -1 where none lies there.
function rowTowards(places, from, rows, [dx, dy]) {
  let [found, best] = [-1, Infinity];
  for (const row of rows) {
    const [x, y] = [places[row * 2] - places[from * 2], places[row * 2 + 1] - places[from * 2 + 1]];
    const along = x * dx + y * dy;
    const apart = Math.hypot(x, y);
    if (row === from || along <= 0 || along < apart * 0.5) continue;
    if (apart * apart < best * along) [found, best] = [row, (apart * apart) / along];
  }
  return found;
}

function watchKeys({ state, camera, places, overlay, tools, go, map, help, goTo }) {
  const walk = (direction) => {
    if (state.pinned < 0) {
      const start = state.hovered >= 0 ? state.hovered : nearestRow({ places, camera, state }, camera.width / 2, camera.height / 2, Infinity);
      if (start >= 0) go(start);
      return;
    }
    let next = rowTowards(places, state.pinned, overlay.neighbours.map(({ row }) => row), direction);
    if (next < 0) {
      const strong = [];
      for (let row = 0; row < state.numRows; row++) if (state.isStrong(row)) strong.push(row);
      next = rowTowards(places, state.pinned, strong, direction);
    }
    if (next >= 0) go(next);
  };
  const escape = () => {
    if (tools.isDrawing) tools.cancel();
    else if (state.pinned >= 0) state.pin(-1);
    else if (state.numSelected) state.clearSelection();
    else state.clearFilters();
  };
  const acts = {
    "/": () => byId("search").focus(),
    "?": () => help.showModal(),
    v: () => tools.choose("pan"),
    l: () => tools.choose("lasso"),
    r: () => tools.choose("rectangle"),
    i: () => state.invert(),
    a: () => state.selectShown(),
    p: () => byId("show-pictures")?.click(),
    f: () => goTo(state.chosenRows()),
    0: () => camera.fit(),
    "+": () => camera.zoomAt(1.4),
    "=": () => camera.zoomAt(1.4),
    "-": () => camera.zoomAt(1 / 1.4),
  };
  addEventListener("keydown", (event) => {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    const typing = event.target.matches?.("input, select, textarea");
    if (event.key === "Escape") {
      if (!typing) escape();
      else {
        event.target.blur();
        if (event.target.id === "search" && event.target.value) {
          event.target.value = "";
          event.target.dispatchEvent(new Event("input"));
        }
      }
      event.preventDefault();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === map && ARROWS[event.key]) {
      const [dx, dy] = ARROWS[event.key];
      if (event.shiftKey) camera.panBy(-dx * 80, dy * 80);
      else walk([dx, dy]);
      event.preventDefault();
    } else if (event.target === map && (event.key === "Enter" || event.key === " ") && state.pinned >= 0) {
      state.select([state.pinned], event.shiftKey ? "union" : "replace", { all: true });
      event.preventDefault();
    } else if (acts[event.key]) {
      acts[event.key]();
      event.preventDefault();
    }
  });
}
