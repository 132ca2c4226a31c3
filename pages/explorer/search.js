// The search box: what contains these words, in ids or any column; `column:word` asks one column, `price:>50` its numbers,
// `column:""` its empty cells. Empty words of no column say nothing and are passed over.
//
// Rows that match stay strong, the others are muted; Enter makes the matches the selection and goes there.

const TERM = /(?:("[^"]+"|[^\s:"]+):)?("[^"]*"|\S+)/g;
const COMPARED = /^(<=|>=|<|>|=)?\s*(-?[\d.]+(?:e[+-]?\d+)?|\d{4}-\d{2}(?:-\d{2}(?:T[\d:.]+Z?)?)?)$/i;
const unquoted = (text) => text.replace(/^"(.*)"$/, "$1");

// [{column, word}]; column -1 for any, an empty word for empty cells. A name before the colon that is no column belongs
// to the word.
function parseQuery(query, columns) {
  const terms = [...query.matchAll(TERM)].map(([whole, name, word]) => {
    const column = name ? columns.findIndex((each) => each.name.toLowerCase() === unquoted(name).toLowerCase()) : -1;
    const isId = name && unquoted(name).toLowerCase() === "id";
    if (name && column < 0 && !isId) return { column: -1, word: whole.toLowerCase() };
    return { column: isId ? "id" : column, word: unquoted(word).toLowerCase() };
  });
  return terms.filter(({ column, word }) => word || column !== -1);
}

async function findRows(query, columns, numRows) {
  const terms = parseQuery(query, columns.all);
  if (!terms.length) return null;
  const all = new Uint8Array(numRows).fill(1);
  for (const { column, word } of terms) {
    const marks = new Uint8Array(numRows);
    if (column === -1 || column === "id") findIn({ texts: await columns.ids() }, word, marks);
    if (column === -1) {
      for (let number = 0; number < columns.all.length; number++) {
        if (columns.all[number].kind !== "number" && columns.all[number].kind !== "date") findIn(await columns.load(number), word, marks);
      }
    } else if (column !== "id") findIn(await columns.load(column), word, marks);
    for (let row = 0; row < numRows; row++) all[row] &= marks[row];
  }
  return all;
}

function findIn(column, word, marks) {
  if (!word) {
    for (let row = 0; row < marks.length; row++) marks[row] |= cellText(column, row) ? 0 : 1;
  } else if (column.texts) column.texts.find(word, marks);
  else if (column.codes) {
    const open = Uint8Array.from([...column.names, ""], (name, code) => (code < column.names.length && name.toLowerCase().includes(word) ? 1 : 0));
    for (let row = 0; row < marks.length; row++) marks[row] |= open[column.codes[row]];
  } else findNumbers(column, word, marks);
}

function findNumbers({ kind, values }, word, marks) {
  const [, sign = "=", text] = word.match(COMPARED) ?? [];
  const wanted = kind === "date" ? Date.parse((text ?? "").toUpperCase()) : Number(text ?? NaN);
  if (Number.isNaN(wanted)) return;
  const compare = { "<": (a) => a < wanted, "<=": (a) => a <= wanted, ">": (a) => a > wanted, ">=": (a) => a >= wanted, "=": (a) => a === wanted }[sign];
  for (let row = 0; row < marks.length; row++) marks[row] |= compare(values[row]) ? 1 : 0;
}

class Search {
  constructor({ state, columns, goTo }) {
    Object.assign(this, { state, columns, goTo });
    this.box = byId("search");
    this.asked = 0;
    const soon = debounced(120, () => this.run(this.box.value));
    this.box.addEventListener("input", soon);
    this.box.addEventListener("keydown", async (event) => {
      if (event.key !== "Enter") return;
      await this.run(this.box.value);
      if (this.state.matches && this.state.numShown) {
        this.state.selectShown();
        this.goTo(this.state.chosenRows());
      }
    });
    state.listen("filters", () => this.tell());
  }

  async run(query) {
    const asked = ++this.asked;
    const marks = await findRows(query.trim(), this.columns, this.state.numRows);
    if (asked !== this.asked) return; // the user has typed on
    this.state.setMatches(query.trim(), marks);
  }

  // Search for what was not typed here.
  put(query) {
    this.box.value = query;
    return this.run(query);
  }

  tell() {
    if (!this.state.query && this.box !== document.activeElement) this.box.value = "";
    byId("found").textContent = this.state.matches ? counted(this.state.numShown, "match", "matches") : "";
  }
}
