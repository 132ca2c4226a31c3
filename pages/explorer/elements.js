// Elements of the page. Text is always text: nothing in this page is ever set as HTML, whatever ids and labels say.

const byId = (id) => document.getElementById(id);

// make("button", { class: "quiet", onclick: f, "aria-label": "Close" }, "text", child)
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// An id or a cell: it has its own direction of writing, and the whole of it shows when it is pointed at.
function cell(text, attributes = {}) {
  return make("span", { class: "cell", dir: "auto", title: text, ...attributes }, text);
}

// In the place of what could not be had: why, and a button that asks again.
function failure(error, again) {
  return make("div", { class: "failure", role: "alert" }, make("p", { class: "quiet" }, error.message), make("button", { class: "plain", onclick: again }, "Try again"));
}

const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

function debounced(wait, act) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...values), wait);
  };
}

// A long list of which only what is in view has elements. `render(i)` gives the element of one item.
class VirtualList {
  constructor(box, { itemHeight, itemWidth = null, render }) {
    Object.assign(this, { box, itemHeight, itemWidth, render, count: 0, drawn: new Map() });
    this.inner = make("div", { class: "virtual", role: "presentation" });
    box.replaceChildren(this.inner);
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.layOut()).observe(box);
  }

  show(count) {
    this.count = count;
    this.layOut();
  }

  layOut() {
    for (const element of this.drawn.values()) element.remove();
    this.drawn.clear();
    this.across = this.itemWidth ? Math.max(1, Math.floor(this.box.clientWidth / this.itemWidth)) : 1;
    this.inner.style.height = `${Math.ceil(this.count / this.across) * this.itemHeight}px`;
    this.draw();
  }

  draw() {
    const top = this.box.scrollTop;
    const first = Math.max(0, Math.floor(top / this.itemHeight) - 2) * this.across;
    const lines = Math.ceil(this.box.clientHeight / this.itemHeight) + 4;
    const last = Math.min(this.count, first + lines * this.across);
    for (const [i, element] of this.drawn) {
      if (i >= first && i < last) continue;
      element.remove();
      this.drawn.delete(i);
    }
    for (let i = first; i < last; i++) {
      if (this.drawn.has(i)) continue;
      const element = this.render(i);
      element.style.top = `${Math.floor(i / this.across) * this.itemHeight}px`;
      if (this.itemWidth) element.style.left = `${(i % this.across) * this.itemWidth}px`;
      this.drawn.set(i, element);
      this.inner.append(element);
    }
  }
}
