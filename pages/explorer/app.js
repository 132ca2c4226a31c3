// The page put together: reads the facts, draws the first picture, then brings the rest to life.

const HOVER_PX = 14;
const FRAMES_KEPT = 600;

async function start() {
  const facts = JSON.parse(byId("facts").textContent);
  const source = makeSource(facts);
  const places = await source.places();
  const columns = new Columns(source, facts);
  const state = new State(facts.num_rows, columns);
  const camera = new Camera(places);
  const scatter = new Scatter(byId("points"), places);
  const pictures = new Pictures(source, facts);
  const overlay = new Overlay(byId("overlay"), { places, camera, state, pictures });
  const app = { facts, source, places, columns, state, camera, scatter, pictures, overlay, frames: [], palette: readPalette() };
  const map = byId("overlay");

  app.pointPx = () => byId("point-size").valueAsNumber * Math.min(2.6, Math.max(1, app.camera.zoom ** 0.32));
  app.draw = () => {
    app.asked = 0;
    const started = performance.now();
    const sizePx = app.pointPx();
    const opacity = Number(byId("opacity").value);
    scatter.draw(camera, { sizePx, opacity, palette: app.palette });
    overlay.draw(app.palette, sizePx);
    app.frames.push(performance.now() - started);
    if (app.frames.length > FRAMES_KEPT) app.frames.shift();
  };
  app.redraw = () => {
    app.asked ||= requestAnimationFrame(app.draw);
  };
  app.say = (text) => {
    byId("status").textContent = text;
    clearTimeout(app.saying);
    app.saying = setTimeout(() => (byId("status").textContent = ""), 4000);
  };
  app.go = (row) => {
    state.pin(row);
    state.openTab("point");
    camera.reveal(places[row * 2], places[row * 2 + 1]);
    map.focus({ preventScroll: true }); // arrows go on from here; the button that was pressed may be gone
  };
  app.goTo = (rows) => camera.flyToRows(places, rows);

  byId("point-size").value = String(defaultPointPx(facts.num_rows));
  byId("opacity").value = String(facts.num_rows > 200_000 ? 0.6 : 0.85);
  const relook = () => {
    const symbols = columns.loaded[columns.all.findIndex((column) => column.is_set)]?.codes;
    const { column, look } = app.legend;
    const counts = [0, 0, 0];
    for (let row = 0; row < facts.num_rows; row++) {
      const strength = !state.isStrong(row) ? MUTED : isOnTop(column, look, row) ? ON_TOP : STRONG;
      counts[strength]++;
      scatter.looks[row] = strength * NUM_SYMBOLS + (symbols ? symbols[row] % NUM_SYMBOLS : 0);
    }
    scatter.relook(counts);
    overlay.version = (overlay.version ?? 0) + 1;
    app.redraw();
  };
  const recolour = () => {
    fillColours(scatter.colours, app.palette, app.legend.column, app.legend.look);
    scatter.recolour();
    relook();
  };
  overlay.colourOf = (row) => scatter.colours.subarray(row * 4, row * 4 + 3);
  overlay.onpicture = app.redraw;
  scatter.onrestored = app.redraw;
  app.legend = new Legend({ state, columns, facts, palette: () => app.palette, recolour });
  app.resize = () => {
    const { clientWidth: width, clientHeight: height } = byId("map");
    const ratio = Math.min(2, devicePixelRatio || 1);
    scatter.resize(width, height, ratio);
    overlay.resize(width, height, ratio);
    camera.resize(width, height);
    app.draw();
  };
  camera.set(camera.whole);
  state.colour = facts.colour;
  await Promise.all(columns.all.flatMap((column, number) => (column.is_set ? [columns.load(number)] : [])));
  await app.legend.draw();
  app.resize();
  const pictured = scatter.drawn().then(() => performance.mark("lookalike-first-picture"));

  new ResizeObserver(() => app.resize()).observe(byId("map"));
  state.listen("selection filters", relook);
  state.listen("hover pin", app.redraw);
  connect(app, map, recolour);
  window.lookalike = app;
  await app.address.restore();
  app.address.follow();
  camera.onchange = () => {
    app.redraw();
    app.address.write();
  };
  await window.startServed?.(app);
  await pictured;
  document.documentElement.dataset.ready = "true";
  performance.mark("lookalike-ready");
}

function connect(app, map, recolour) {
  const { state, columns, camera, places, pictures, facts, overlay, redraw, go, goTo, say } = app;
  camera.onchange = redraw;
  const where = (row) => ({ ...overlay.at(row), width: camera.width, height: camera.height });
  app.card = new Card({ state, columns, pictures, where });
  const tools = new Tools({ places, camera, state, overlay, redraw });
  app.tools = tools;
  app.search = new Search({ state, columns, goTo });
  app.point = new PointPanel({ state, columns, pictures, facts, overlay, go, redraw });
  app.selection = new SelectionPanel({ state, columns, pictures, facts, go, goTo, say });
  app.findings = facts.findings.map((info) => new FindingPanel({ info, state, columns, pictures, facts, goTo }));
  makeTabs(state, facts.findings);
  app.address = new Address({ state, columns, camera, facts, search: app.search });
  let pointer = null;
  const look = () => {
    pointer = pointer && nearestRow({ places, camera, state }, pointer.x, pointer.y, HOVER_PX);
    state.hover(pointer ?? -1);
    pointer = null;
  };
  watchHands(map, camera, {
    point: (x, y) => {
      if (!pointer) requestAnimationFrame(look);
      pointer = { x, y };
    },
    leave: () => {
      pointer = null;
      state.hover(-1);
    },
    click: (x, y) => {
      const row = nearestRow({ places, camera, state }, x, y, HOVER_PX);
      if (row >= 0) go(row);
      else {
        state.pin(-1);
        map.focus({ preventScroll: true });
      }
    },
    draws: (event) => tools.draws(event),
    begin: (x, y, event) => tools.begin(x, y, event),
    extend: (x, y) => tools.extend(x, y),
    end: (event) => tools.end(event),
    cancel: () => tools.cancel(),
  });
  const help = byId("help");
  watchKeys({ state, camera, places, overlay, tools, go, map, help, goTo });
  addEventListener("unhandledrejection", ({ reason }) => say(`That did not work: ${reason?.message ?? reason}`));
  tools.choose("pan");
  tools.combine("replace");
  const on = (id, event, act) => byId(id)?.addEventListener(event, act);
  on("open-help", "click", () => help.showModal());
  on("close-help", "click", () => help.close());
  on("zoom-in", "click", () => camera.zoomAt(1.5));
  on("zoom-out", "click", () => camera.zoomAt(1 / 1.5));
  on("zoom-fit", "click", () => camera.fit());
  on("open-left", "click", () => {
    const open = document.body.classList.toggle("show-left");
    byId("open-left").setAttribute("aria-pressed", String(open));
  });
  on("point-size", "input", redraw);
  on("opacity", "input", redraw);
  on("show-pictures", "click", () => {
    overlay.showPictures = !overlay.showPictures;
    byId("show-pictures").setAttribute("aria-pressed", String(overlay.showPictures));
    redraw();
  });
  const repaint = () => {
    app.palette = readPalette();
    app.legend.draw();
    recolour();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  on("theme", "click", () => {
    document.documentElement.dataset.theme = app.palette.dark ? "light" : "dark";
    repaint();
  });
  state.listen("selection", () => say(state.numSelected ? `${counted(state.numSelected, "row")} selected` : "Selection cleared"));
  state.openTab("selection");
}

// Large where there are few, down to a pixel and a half where there are a million.
const defaultPointPx = (numRows) => Math.round(Math.min(11, Math.max(1.5, 90 / numRows ** 0.32)) * 2) / 2;

start().catch((error) => {
  byId("status").textContent = `The page could not be drawn: ${error.message}`;
  throw error;
});
