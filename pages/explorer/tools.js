// The tools of the map: pan, lasso, rectangle; and how what they draw changes the selection.
//
// Shift adds to the selection and Alt takes from it, with any tool; with Pan they draw a lasso. Where there are no keys
// to hold (touch), the buttons Replace, Add and Take away say the same.

const LASSO_STEP_PX = 3;

class Tools {
  constructor({ places, camera, state, overlay, redraw }) {
    Object.assign(this, { places, camera, state, overlay, redraw });
    this.tool = "pan";
    this.how = "replace";
    for (const button of document.querySelectorAll("button[data-tool]")) {
      button.addEventListener("click", () => this.choose(button.dataset.tool));
    }
    for (const button of document.querySelectorAll("[data-how]")) {
      button.addEventListener("click", () => this.combine(button.dataset.how));
    }
  }

  choose(tool) {
    this.tool = tool;
    document.body.dataset.tool = tool;
    for (const button of document.querySelectorAll("button[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
  }

  combine(how) {
    this.how = how;
    for (const button of document.querySelectorAll("[data-how]")) {
      button.setAttribute("aria-pressed", String(button.dataset.how === how));
    }
  }

  howOf(event) {
    if (event.altKey) return "difference";
    return event.shiftKey ? "union" : this.how;
  }

  draws(event) {
    return this.tool !== "pan" || event.shiftKey || event.altKey;
  }

  begin(x, y, event) {
    this.started = { x, y };
    this.began = this.howOf(event);
    this.overlay.outline = [{ x, y }];
  }

  extend(x, y) {
    const { outline } = this.overlay;
    if (!outline) return;
    if (this.tool === "rectangle") {
      const { x: left, y: top } = this.started;
      this.overlay.outline = [{ x: left, y: top }, { x, y: top }, { x, y }, { x: left, y }];
    } else {
      const last = outline.at(-1);
      if (Math.hypot(x - last.x, y - last.y) >= LASSO_STEP_PX) outline.push({ x, y });
    }
    this.redraw();
  }

  end(event) {
    const { outline } = this.overlay;
    const how = event.shiftKey || event.altKey ? this.howOf(event) : this.began;
    this.cancel();
    if (!outline || outline.length < 3) return;
    this.state.select(rowsInside(this.places, outline.map(({ x, y }) => this.camera.toPlace(x, y))), how);
  }

  cancel() {
    this.overlay.outline = null;
    this.redraw();
  }

  get isDrawing() {
    return Boolean(this.overlay.outline);
  }
}

// Rows whose place is inside a polygon (even-odd rule).
function rowsInside(places, polygon) {
  const xs = Float64Array.from(polygon, (corner) => corner.x);
  const ys = Float64Array.from(polygon, (corner) => corner.y);
  const { left, right, bottom, top } = boundsOf(polygon.flatMap(({ x, y }) => [x, y]));
  const rows = [];
  for (let row = 0; row < places.length / 2; row++) {
    const [x, y] = [places[row * 2], places[row * 2 + 1]];
    if (x < left || x > right || y < bottom || y > top) continue;
    let inside = false;
    for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
      if (ys[i] > y !== ys[j] > y && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i]) inside = !inside;
    }
    if (inside) rows.push(row);
  }
  return rows;
}

// The row nearest to a pixel within `radius`, -1 for none; what is strong goes before what is muted.
function nearestRow({ places, camera, state }, x, y, radius) {
  const { x: px, y: py } = camera.toPlace(x, y);
  const reach = radius / camera.scale;
  const limit = reach * reach;
  let [found, least] = [-1, Infinity];
  for (let row = 0; row < state.numRows; row++) {
    const dx = places[row * 2] - px;
    if (dx > reach || dx < -reach) continue;
    const dy = places[row * 2 + 1] - py;
    const apart = dx * dx + dy * dy;
    if (apart > limit) continue;
    const rank = state.isStrong(row) ? apart : apart + limit;
    if (rank < least) [found, least] = [row, rank];
  }
  return found;
}
