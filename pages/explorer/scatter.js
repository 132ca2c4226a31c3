// The points, drawn by WebGL 2 (twgl.js): places go to the graphics memory once, a colour and a look of each row after.
//
// What is muted is drawn first and faint, what is strong over it, and over that what has a colour where most are grey, so
// a selection is never buried. Symbols tell sets apart: circle, square, triangle, diamond, plus, cross. Where a browser has
// no WebGL a plain canvas draws the same, slower and without symbols.

const NUM_SYMBOLS = 6;
const PLAIN_PX = 3; // below this a point is a plain square: nobody sees a shape, and a million cost less
const MUTED = 0;
const STRONG = 1;
const ON_TOP = 2;

const VERTEX_SHADER = `#version 300 es
in vec2 place;
in vec4 colour;
in float look;      // symbol + ${NUM_SYMBOLS} x strength
uniform vec2 centre;
uniform vec2 scale;
uniform float sizePx;
uniform float strength;
uniform vec4 faint;  // what muted points are drawn with
out vec4 ink;
flat out float symbol;
flat out float drawnPx;
void main() {
  float mine = floor(look / ${NUM_SYMBOLS}.0);
  symbol = look - mine * ${NUM_SYMBOLS}.0;
  drawnPx = sizePx * (symbol > 0.5 ? 1.25 : 1.0);
  gl_PointSize = drawnPx < ${PLAIN_PX}.0 ? drawnPx : drawnPx + 2.0;
  gl_Position = mine == strength ? vec4((place - centre) * scale, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
  ink = strength == 0.0 ? faint : colour;
}`;

const FRAGMENT_SHADER = `#version 300 es
precision highp float;
in vec4 ink;
flat in float symbol;
flat in float drawnPx;
uniform float opacity;
uniform vec4 edge;  // of strong points, where they are large enough to have one
out vec4 pixel;
float distanceTo(vec2 p, float r) {  // signed distance to the symbol of radius r, in pixels
  if (symbol < 0.5) return length(p) - r;
  if (symbol < 1.5) return max(abs(p.x), abs(p.y)) - r * 0.84;
  if (symbol < 2.5) return max(abs(p.x) * 0.866 - p.y * 0.5, p.y) - r * 0.55;
  if (symbol < 3.5) return (abs(p.x) + abs(p.y) - r * 1.2) * 0.707;
  vec2 q = symbol < 4.5 ? abs(p) : abs(vec2(p.x + p.y, p.x - p.y) * 0.707);
  float arm = r * 0.34;
  return min(max(q.x - r, q.y - arm), max(q.y - r, q.x - arm));
}
void main() {
  if (drawnPx < ${PLAIN_PX}.0) {
    pixel = vec4(ink.rgb, 1.0) * (opacity * ink.a);
    return;
  }
  vec2 p = (gl_PointCoord - 0.5) * (drawnPx + 2.0);
  float apart = distanceTo(p, drawnPx * 0.5);
  float cover = clamp(0.5 - apart, 0.0, 1.0);
  if (cover <= 0.0) discard;
  float rim = drawnPx >= 5.0 ? edge.a * clamp(apart + 1.5, 0.0, 1.0) : 0.0;
  float alpha = cover * opacity * ink.a;
  pixel = vec4(mix(ink.rgb, edge.rgb, rim) * alpha, alpha);
}`;

class Scatter {
  constructor(canvas, places) {
    Object.assign(this, { canvas, places, numRows: places.length / 2 });
    this.colours = new Uint8Array(this.numRows * 4).fill(255);
    this.looks = new Uint8Array(this.numRows).fill(STRONG * NUM_SYMBOLS);
    this.counts = [0, this.numRows, 0]; // rows of each strength
    this.start();
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.start();
      this.onrestored?.();
    });
  }

  start() {
    const gl = this.canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true, powerPreference: "high-performance" });
    this.gl = gl;
    if (!gl) return;
    this.program = twgl.createProgramInfo(gl, [VERTEX_SHADER, FRAGMENT_SHADER]);
    this.buffers = twgl.createBufferInfoFromArrays(gl, {
      place: { numComponents: 2, data: this.places },
      colour: { numComponents: 4, data: this.colours, normalize: true },
      look: { numComponents: 1, data: this.looks, normalize: false },
    });
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.disable(gl.DEPTH_TEST);
  }

  // After `colours` has changed.
  recolour() {
    if (this.gl) twgl.setAttribInfoBufferFromArray(this.gl, this.buffers.attribs.colour, this.colours);
  }

  // After `looks` has changed.
  relook(counts) {
    this.counts = counts;
    if (this.gl) twgl.setAttribInfoBufferFromArray(this.gl, this.buffers.attribs.look, this.looks);
  }

  resize(width, height, ratio) {
    Object.assign(this, { width, height, ratio });
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
  }

  draw(camera, { sizePx, opacity, palette }) {
    const faint = { sizePx: Math.max(1.5, sizePx * 0.8), opacity: 0.8 * opacity };
    const full = { sizePx, opacity };
    const passes = [MUTED, STRONG, ON_TOP].filter((strength) => this.counts[strength]).map((strength) => ({ strength, ...(strength ? full : faint) }));
    const faintInk = { colour: palette.rest, alpha: palette.dark ? 0.42 : 0.34 };
    if (this.gl) this.drawFast(camera, passes, faintInk, palette);
    else this.drawPlain(camera, passes, faintInk);
  }

  drawFast(camera, passes, faintInk, palette) {
    const { gl, width, height, ratio } = this;
    gl.viewport(0, 0, gl.canvas.width, gl.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.program.program);
    twgl.setBuffersAndAttributes(gl, this.program, this.buffers);
    const unit = (colour, alpha) => [...colour.map((value) => value / 255), alpha];
    const shared = {
      centre: [camera.x, camera.y],
      scale: [(2 * camera.scale) / width, (2 * camera.scale) / height],
      faint: unit(faintInk.colour, faintInk.alpha),
      edge: unit(palette.paper, 0.55),
    };
    for (const { strength, sizePx, opacity } of passes) this.pass({ ...shared, strength, opacity, sizePx: sizePx * ratio });
  }

  // Resolves when what was drawn last is done.
  async drawn() {
    const { gl } = this;
    const fence = gl?.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl?.flush();
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    while (fence && !gl.isContextLost() && gl.getSyncParameter(fence, gl.SYNC_STATUS) !== gl.SIGNALED) await frame();
    if (fence) gl.deleteSync(fence);
  }

  pass(uniforms) {
    twgl.setUniforms(this.program, uniforms);
    twgl.drawBufferInfo(this.gl, this.buffers, this.gl.POINTS);
  }

  drawPlain(camera, passes, faintInk) {
    const pen = this.canvas.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    for (const { strength, sizePx, opacity } of passes) {
      pen.globalAlpha = strength ? opacity : opacity * faintInk.alpha;
      for (let row = 0; row < this.numRows; row++) {
        if (Math.floor(this.looks[row] / NUM_SYMBOLS) !== strength) continue;
        const at = camera.toScreen(this.places[row * 2], this.places[row * 2 + 1]);
        pen.fillStyle = colourText(strength ? this.colours.subarray(row * 4, row * 4 + 3) : faintInk.colour);
        pen.fillRect(at.x - sizePx / 2, at.y - sizePx / 2, sizePx, sizePx);
      }
    }
  }
}
