// Colours of the points: the page's palette for categories, its ramp for numbers, greys for what is empty or left over.
//
// Both are those of every page (pages/palette.py). Ten colours are all there are: more cannot be told apart. Of more
// categories the ten largest get one, and a click on a grey swatch gives it one of the others'.

const NUM_COLOURS = 10;
const RAMP_STEPS = 32;
const FEW_NUMBERS = 100;

const parseColour = (hex) => {
  const digits = hex.trim().replace("#", "");
  const full = digits.length === 3 ? [...digits].map((digit) => digit + digit).join("") : digits;
  return [0, 2, 4].map((at) => parseInt(full.slice(at, at + 2), 16));
};
const colourText = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => parseColour(style.getPropertyValue(name));
  const numbered = (letter, count, first) => Array.from({ length: count }, (_, at) => read(`--${letter}${at + first}`));
  return {
    slots: numbered("c", NUM_COLOURS, 1),
    ramp: numbered("r", RAMP_STEPS, 0),
    rest: read("--muted"),
    absent: read("--absent"),
    one: read("--c1"),
    ink: read("--ink"),
    paper: read("--paper"),
    dark: isDark(read("--paper")),
  };
}

const isDark = ([red, green, blue]) => red + green + blue < 384;

// The colour of a position on the ramp, 0 to 1, between its steps.
function rampColour(ramp, at) {
  const place = at * (RAMP_STEPS - 1);
  const low = Math.min(RAMP_STEPS - 2, Math.floor(place));
  return ramp[low].map((value, channel) => Math.round(value + (ramp[low + 1][channel] - value) * (place - low)));
}

// How often each code stands in a column, the empty ones last.
function countCodes(column) {
  const counts = new Uint32Array(column.names.length + 1);
  for (const code of column.codes) counts[Math.min(code, column.names.length)]++;
  return counts;
}

// The slot of the palette of each code, -1 for grey. Ten or fewer keep the order of their names.
function firstSlots(counts) {
  const codes = Array.from({ length: counts.length - 1 }, (_, code) => code);
  const slots = new Int8Array(codes.length).fill(-1);
  const largest = codes.length > NUM_COLOURS ? codes.sort((a, b) => counts[b] - counts[a] || a - b) : codes;
  for (const [slot, code] of largest.slice(0, NUM_COLOURS).entries()) slots[code] = slot;
  return slots;
}

// What the ends of the ramp stand for: the first and the last percentile of a hundred and more numbers, so that one wild
// value does not take it all. The rule of every map: see by_number of pages/colouring.py.
function rampEnds(values) {
  const finite = values.filter(Number.isFinite).sort();
  const num = finite.length;
  if (!num) return { low: 0, high: 1, least: NaN, most: NaN, num };
  const [least, most] = [finite[0], finite[num - 1]];
  const rank = num < FEW_NUMBERS ? 0 : Math.floor((num + 49) / 100);
  const [low, high] = [finite[rank], finite[num - 1 - rank]];
  return { ...(low < high ? { low, high } : { low: least, high: most }), least, most, num };
}

// Where between two ends a number is, 0 to 1; halved where their distance is larger than any number.
function shareBetween(value, low, high) {
  if (!(high > low)) return 0.5;
  const span = high - low;
  const share = Number.isFinite(span) ? (value - low) / span : (value / 2 - low / 2) / (high / 2 - low / 2);
  return Math.min(1, Math.max(0, share));
}

// Its place on the ramp, 0 to 1; -1 for what is no number. Infinity is none: here, in the legend and in its filter.
const rampPosition = (value, { low, high }) => (Number.isFinite(value) ? shareBetween(value, low, high) : -1);

const FINE_STEPS = 256;
const packed = ([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red; // RGBA bytes of little-endian words

// Fills `colours` (RGBA bytes, one a row) for a column, or with one colour for none.
function fillColours(colours, palette, column, look) {
  const words = new Uint32Array(colours.buffer);
  if (!column) words.fill(packed(palette.one));
  else if (column.codes) {
    const table = [...Array.from(look.slots, (slot) => packed(palette.slots[slot] ?? palette.rest)), packed(palette.absent)];
    for (let row = 0; row < words.length; row++) words[row] = table[column.codes[row]];
  } else {
    const table = Array.from({ length: FINE_STEPS }, (_, step) => packed(rampColour(palette.ramp, step / (FINE_STEPS - 1))));
    const absent = packed(palette.absent);
    for (let row = 0; row < words.length; row++) {
      const at = rampPosition(column.values[row], look.ends);
      words[row] = at < 0 ? absent : table[Math.round(at * (FINE_STEPS - 1))];
    }
  }
}

// Whether a row goes over the others: it has one of the ten colours, and most have none.
function isOnTop(column, look, row) {
  return column?.codes && look.slots.length > NUM_COLOURS && look.slots[column.codes[row]] >= 0;
}
