// What lies over the points, on a plain canvas: rings, lines to the neighbours, the lasso, pictures on the map.

const PICTURE_PX = 40;
const MOST_PICTURES = 600;

class Overlay {
  constructor(canvas, { places, camera, state, pictures }) {
    Object.assign(this, { canvas, places, camera, state, pictures });
    this.neighbours = [];
    this.outline = null; // of the tool that draws: points on the screen
    this.showPictures = false;
    this.picked = { key: "", rows: [] };
    this.drop = []; // marks that a served page adds: {x, y}
  }

  resize(width, height, ratio) {
    Object.assign(this, { width, height, ratio });
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
  }

  at(row) {
    return this.camera.toScreen(this.places[row * 2], this.places[row * 2 + 1]);
  }

  draw(palette, sizePx) {
    const pen = this.canvas.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    const { state } = this;
    const [ink, paper, accent] = [palette.ink, palette.paper, palette.slots[0]].map(colourText);
    if (this.showPictures) this.drawPictures(pen, palette);
    if (state.pinned >= 0) {
      const from = this.at(state.pinned);
      pen.lineWidth = 1;
      pen.strokeStyle = ink;
      pen.globalAlpha = 0.45;
      pen.beginPath();
      for (const { row } of this.neighbours) {
        const to = this.at(row);
        pen.moveTo(from.x, from.y);
        pen.lineTo(to.x, to.y);
      }
      pen.stroke();
      pen.globalAlpha = 1;
      for (const { row } of this.neighbours) ring(pen, this.at(row), sizePx / 2 + 2.5, ink, paper, 1.2);
      ring(pen, from, sizePx / 2 + 5, ink, paper, 2.6);
    }
    if (state.hovered >= 0) ring(pen, this.at(state.hovered), sizePx / 2 + 4, accent, paper, 2);
    for (const place of this.drop) star(pen, this.camera.toScreen(place.x, place.y), accent, paper);
    if (this.outline?.length > 1) {
      pen.beginPath();
      for (const { x, y } of this.outline) pen.lineTo(x, y);
      pen.closePath();
      pen.fillStyle = accent;
      pen.globalAlpha = 0.12;
      pen.fill();
      pen.globalAlpha = 1;
      pen.strokeStyle = accent;
      pen.lineWidth = 1.5;
      pen.setLineDash([5, 4]);
      pen.stroke();
      pen.setLineDash([]);
    }
  }

  // Rows whose pictures do not overlap, the first that is strong before those after: the same ones while the map is
  // panned, others when it is zoomed twice as near.
  pickRows() {
    const { camera, places, state } = this;
    const level = Math.floor(Math.log2(camera.scale / PICTURE_PX));
    const key = `${level} ${this.version}`;
    if (this.picked.key === key) return this.picked.rows;
    const side = 2 ** -level;
    const taken = new Map(); // square of the map -> the row whose picture begins there
    const square = (x, y) => x * 2097152 + y;
    const rows = [];
    for (let row = 0; row < state.numRows; row++) {
      if (!state.isStrong(row)) continue;
      const [x, y] = [places[row * 2], places[row * 2 + 1]];
      const [across, up] = [Math.floor(x / side), Math.floor(y / side)];
      let free = !taken.has(square(across, up));
      for (let dx = -1; free && dx <= 1; dx++) {
        for (let dy = -1; free && dy <= 1; dy++) {
          const other = taken.get(square(across + dx, up + dy));
          free = other === undefined || Math.abs(places[other * 2] - x) >= side || Math.abs(places[other * 2 + 1] - y) >= side;
        }
      }
      if (!free) continue;
      taken.set(square(across, up), row);
      rows.push(row);
    }
    this.picked = { key, rows };
    return rows;
  }

  drawPictures(pen, palette) {
    const half = PICTURE_PX / 2;
    let [left, wanted] = [MOST_PICTURES, 0];
    pen.imageSmoothingQuality = "high";
    for (const row of this.pickRows()) {
      const { x, y } = this.at(row);
      if (x < -half || y < -half || x > this.width + half || y > this.height + half) continue;
      if (left-- <= 0) break;
      const picture = this.pictures.peek(row);
      if (picture === undefined && wanted++ < 64) this.pictures.get(row).then(() => this.onpicture?.());
      if (!picture) continue;
      const scale = (PICTURE_PX - 6) / Math.max(picture.width, picture.height);
      const [width, height] = [picture.width * scale, picture.height * scale];
      pen.fillStyle = colourText(this.colourOf(row));
      pen.fillRect(x - width / 2 - 2, y - height / 2 - 2, width + 4, height + 4);
      pen.drawImage(picture, x - width / 2, y - height / 2, width, height);
    }
  }
}

function ring(pen, { x, y }, radius, colour, halo, width) {
  for (const [stroke, line] of [[halo, width + 2], [colour, width]]) {
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.strokeStyle = stroke;
    pen.lineWidth = line;
    pen.stroke();
  }
}

function star(pen, { x, y }, colour, halo) {
  pen.beginPath();
  for (let i = 0; i < 10; i++) {
    const [radius, angle] = [i % 2 ? 5 : 12, (i * Math.PI) / 5 - Math.PI / 2];
    pen.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
  pen.closePath();
  pen.fillStyle = colour;
  pen.fill();
  pen.strokeStyle = halo;
  pen.lineWidth = 2;
  pen.stroke();
}
