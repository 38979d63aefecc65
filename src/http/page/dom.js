// Helpers that make and change elements. Unchanged values are not written, so screen readers announce nothing
// and the browser does no layout.
const SVG = "http://www.w3.org/2000/svg";

/** The element with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** A new HTML element. */
export function html(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** A new SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/** Sets the attributes that differ. `null` removes one. */
export function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }
}

/** Sets the text if it differs. */
export function setText(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

/** Sets a custom property of the style, which the style sheet turns into a position or a width. */
export function setVariable(element, name, value) {
  if (element.style.getPropertyValue(name) !== value) element.style.setProperty(name, value);
}

/**
 * Keeps one child of `parent` for each item, in order: `make(item)` makes a child, `update(child, item)` fills
 * it. Children keep their identity, so focus and a screen reader's position are preserved.
 */
export function keep(parent, items, key, make, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, index) => {
    const name = String(key(item));
    let child = old.get(name);
    if (!child) {
      child = make(item);
      child.dataset.key = name;
    }
    old.delete(name);
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
    update(child, item);
  });
  for (const child of old.values()) child.remove();
}

/** Terms and their descriptions: `[term, description, class]`; rows without a description are left out. */
export function describe(parent, rows) {
  const shown = rows.filter(([, description]) => description !== null && description !== undefined);
  const cells = shown.flatMap(([term, description, kind]) => [
    { key: `t ${term}`, tag: "dt", text: term, kind: "" },
    { key: `d ${term}`, tag: "dd", text: description, kind: kind ?? "" },
  ]);
  keep(
    parent,
    cells,
    (cell) => cell.key,
    (cell) => html(cell.tag),
    (element, cell) => {
      setText(element, cell.text);
      if (element.className !== cell.kind) element.className = cell.kind;
    },
  );
}
