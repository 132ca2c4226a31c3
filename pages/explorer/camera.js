// The camera over the map: which place is in the middle, how many pixels a unit is, and how hands move it.
//
// One pointer pans (or draws, where a tool says so), two pinch, a wheel zooms at the pointer, a double click zooms in.

const ZOOM_MOST = 20000;
const ZOOM_LEAST = 0.2;
const CLICK_PX = 5;
const FLIGHT_MS = 450;

class Camera {
  constructor(places) {
    this.bounds = boundsOf(places);
    Object.assign(this, { x: 0, y: 0, zoom: 1, width: 1, height: 1, onchange: () => {} });
  }

  // Pixels of a unit where the whole map fits.
  get fitScale() {
    const { left, right, bottom, top } = this.bounds;
    const across = Math.max(right - left, 1e-6);
    const up = Math.max(top - bottom, 1e-6);
    return Math.min((this.width * 0.9) / across, (this.height * 0.9) / up);
  }

  get scale() {
    return this.fitScale * this.zoom;
  }

  resize(width, height) {
    Object.assign(this, { width: Math.max(width, 1), height: Math.max(height, 1) });
    this.onchange();
  }

  // The view of all of the map.
  get whole() {
    const { left, right, bottom, top } = this.bounds;
    return { x: (left + right) / 2, y: (bottom + top) / 2, zoom: 1 };
  }

  fit() {
    this.flyTo(this.whole);
  }

  toScreen(x, y) {
    return { x: this.width / 2 + (x - this.x) * this.scale, y: this.height / 2 - (y - this.y) * this.scale };
  }

  toPlace(x, y) {
    return { x: this.x + (x - this.width / 2) / this.scale, y: this.y - (y - this.height / 2) / this.scale };
  }

  set({ x = this.x, y = this.y, zoom = this.zoom }) {
    cancelAnimationFrame(this.flight);
    this.x = Math.min(3, Math.max(-3, x));
    this.y = Math.min(3, Math.max(-3, y));
    this.zoom = Math.min(ZOOM_MOST, Math.max(ZOOM_LEAST, zoom));
    this.onchange();
  }

  panBy(dx, dy) {
    this.set({ x: this.x - dx / this.scale, y: this.y + dy / this.scale });
  }

  // What is below this pixel stays there.
  zoomAt(factor, x = this.width / 2, y = this.height / 2) {
    const held = this.toPlace(x, y);
    const zoom = Math.min(ZOOM_MOST, Math.max(ZOOM_LEAST, this.zoom * factor));
    const scale = this.fitScale * zoom;
    this.set({ x: held.x - (x - this.width / 2) / scale, y: held.y + (y - this.height / 2) / scale, zoom });
  }

  flyTo({ x = this.x, y = this.y, zoom = this.zoom }) {
    cancelAnimationFrame(this.flight);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.set({ x, y, zoom });
      return;
    }
    const from = { x: this.x, y: this.y, zoom: this.zoom };
    const started = performance.now();
    const step = (now) => {
      const part = Math.min(1, Math.max(0, (now - started) / FLIGHT_MS));
      const eased = part * part * (3 - 2 * part);
      const mix = (a, b) => a + (b - a) * eased;
      this.set({ x: mix(from.x, x), y: mix(from.y, y), zoom: from.zoom * (zoom / from.zoom) ** eased });
      if (part < 1) this.flight = requestAnimationFrame(step);
    };
    this.flight = requestAnimationFrame(step);
  }

  // Fly so that these rows fill the view, without coming closer than is of use.
  flyToRows(places, rows) {
    if (!rows.length) return;
    const { left, right, bottom, top } = boundsOf(places, rows);
    const across = Math.max(right - left, 1e-9);
    const up = Math.max(top - bottom, 1e-9);
    const wanted = Math.min((this.width * 0.6) / across, (this.height * 0.6) / up) / this.fitScale;
    const zoom = Math.min(wanted, Math.max(this.zoom, 6));
    this.flyTo({ x: (left + right) / 2, y: (bottom + top) / 2, zoom });
  }

  // Move as little as brings this place well into view.
  reveal(x, y) {
    const at = this.toScreen(x, y);
    const margin = 60;
    const inside = at.x > margin && at.y > margin && at.x < this.width - margin && at.y < this.height - margin;
    if (!inside) this.flyTo({ x, y });
  }
}

function boundsOf(places, rows = null) {
  const bounds = { left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity };
  const count = rows ? rows.length : places.length / 2;
  for (let i = 0; i < count; i++) {
    const row = rows ? rows[i] : i;
    const [x, y] = [places[row * 2], places[row * 2 + 1]];
    if (x < bounds.left) bounds.left = x;
    if (x > bounds.right) bounds.right = x;
    if (y < bounds.bottom) bounds.bottom = y;
    if (y > bounds.top) bounds.top = y;
  }
  if (!rows && !(bounds.right > bounds.left) && !(bounds.top > bounds.bottom)) {
    return { left: bounds.left - 1, right: bounds.left + 1, bottom: bounds.bottom - 1, top: bounds.bottom + 1 };
  }
  return bounds;
}

// Hands on the map. `act` has: point(x, y) and leave() of a mouse, click(x, y), and for tools that draw
// draws(event) -> whether this press draws, begin(x, y, event), extend(x, y, event), end(event), cancel().
function watchHands(surface, camera, act) {
  const down = new Map();
  let moved = 0;
  let drawing = false;
  const place = (event) => {
    const box = surface.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  surface.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    surface.setPointerCapture(event.pointerId);
    const at = place(event);
    down.set(event.pointerId, at);
    if (down.size === 1) {
      moved = 0;
      drawing = act.draws(event);
      if (drawing) act.begin(at.x, at.y, event);
    } else if (drawing) {
      drawing = false;
      act.cancel();
    }
  });
  surface.addEventListener("pointermove", (event) => {
    const at = place(event);
    const before = down.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") act.point(at.x, at.y);
      return;
    }
    const pinched = down.size === 2 ? spread([...down.values()]) : null;
    down.set(event.pointerId, at);
    moved += Math.abs(at.x - before.x) + Math.abs(at.y - before.y);
    if (pinched) {
      const now = spread([...down.values()]);
      camera.panBy(now.x - pinched.x, now.y - pinched.y);
      if (pinched.apart > 0) camera.zoomAt(now.apart / pinched.apart, now.x, now.y);
    } else if (drawing) act.extend(at.x, at.y, event);
    else if (moved > CLICK_PX) camera.panBy(at.x - before.x, at.y - before.y);
  });
  const lift = (event) => {
    if (!down.delete(event.pointerId)) return;
    const at = place(event);
    if (down.size) {
      moved = Infinity; // what is left of a pinch is no click
      return;
    }
    if (event.type === "pointercancel") act.cancel();
    else if (moved <= CLICK_PX) {
      if (drawing) act.cancel();
      act.click(at.x, at.y);
    } else if (drawing) act.end(event);
    drawing = false;
  };
  surface.addEventListener("pointerup", lift);
  surface.addEventListener("pointercancel", lift);
  surface.addEventListener("pointerleave", () => act.leave());
  surface.addEventListener("dblclick", (event) => {
    const at = place(event);
    camera.zoomAt(2, at.x, at.y);
  });
  const onwheel = (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const at = place(event);
    camera.zoomAt(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0018)), at.x, at.y);
  };
  surface.addEventListener("wheel", onwheel, { passive: false });
}

function spread([one, other]) {
  return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, apart: Math.hypot(one.x - other.x, one.y - other.y) };
}
