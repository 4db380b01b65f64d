// A table that is kept up to date in place: rows stay the same elements, so that focus, selection and scrolling survive.

const POINTING = 4000;      // milliseconds after the last move of the pointer for which rows keep still beneath it

// How one cell is made, and filled when its text has changed. `text` is what is shown and filtered, `sort` what is sorted by.
export function cell(text, {sort = text, heading = false, make = (td) => td, fill = write} = {}) {
  return {text, sort, heading, make, fill};
}

function write(node, text) {
  node.textContent = text;
}

// Text that may run from right to left stays in its place.
export function isolated(text, options = {}) {
  return cell(text, {make: (td) => td.appendChild(document.createElement('bdi')), ...options});
}

// A URL of the crawl: a link to its explanation, never to the site.
export function urlCell(url) {
  return cell(url, {
    heading: true,
    make: (td) => {
      const link = td.appendChild(document.createElement('a'));
      link.className = 'url';
      link.dir = 'ltr';
      return link;
    },
    fill: (link, text) => {
      link.title = text;
      link.textContent = text.startsWith('https://') ? text.slice(8) : text;
      link.href = `/explain?url=${encodeURIComponent(text)}`;
    },
  });
}

function remembered(name, fallback) {
  try {
    return JSON.parse(sessionStorage.getItem(name)) ?? fallback;
  } catch {
    return fallback;
  }
}

function remember(name, value) {
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch { /* then it is kept until the page is left */ }
}

const none = (value) => value === null || value === undefined || value === '';

// What has no value comes last either way.
function compare(left, right, sign) {
  if (none(left) || none(right)) return none(left) - none(right);
  return sign * (typeof left === 'number' && typeof right === 'number' ? left - right : String(left).localeCompare(String(right)));
}

// Put rows in order with as few moves as can be. The pivot is never moved: that would take the focus from it.
function place(body, rows, pivot) {
  let at = body.firstElementChild;
  for (const row of rows) {
    if (row === pivot) {
      while (at !== pivot) {
        const next = at.nextElementSibling;
        body.append(at);
        at = next;
      }
    }
    if (row === at) at = at.nextElementSibling;
    else body.insertBefore(row, at);
  }
}

export class Table {
  constructor(id, key, cells) {
    this.key = key;
    this.cells = cells;
    this.table = document.getElementById(id);
    this.body = this.table.tBodies[0];
    this.scroll = this.table.closest('.scroll');
    this.empty = this.scroll.querySelector('.empty');
    this.count = this.table.closest('.card').querySelector('.count');
    this.heads = [...this.table.tHead.rows[0].cells];
    this.rows = new Map();
    this.items = null;
    this.filter = [];
    this.pointed = -Infinity;
    this.order = remembered(`sort-${id}`, null);
    this.scroll.addEventListener('pointermove', (event) => {
      if (event.pointerType === 'mouse') this.pointed = performance.now();
    }, {passive: true});
    this.scroll.addEventListener('pointerleave', () => { this.pointed = -Infinity; });
    for (const head of this.heads) if (!('fixed' in head.dataset)) this.#sortable(head);
    this.#showOrder();
  }

  #sortable(head) {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    button.addEventListener('click', () => this.#turn(head));
    head.append(button);
  }

  // First click: what one looks for comes first, great numbers or a at the top; then the other way; then as the crawl has it.
  #turn(head) {
    const key = head.dataset.key;
    const first = head.classList.contains('n') ? 'descending' : 'ascending';
    const other = first === 'ascending' ? 'descending' : 'ascending';
    if (this.order?.key !== key) this.order = {key, way: first};
    else this.order = this.order.way === first ? {key, way: other} : null;
    remember(`sort-${this.table.id}`, this.order);
    this.#showOrder();
    this.pointed = -Infinity;
    this.redraw();
  }

  #showOrder() {
    for (const head of this.heads) {
      if (head.dataset.key === this.order?.key) head.setAttribute('aria-sort', this.order.way);
      else head.removeAttribute('aria-sort');
    }
  }

  setFilter(words) {
    this.filter = words;
    this.pointed = -Infinity;
    this.redraw();
  }

  redraw() {
    if (this.items) this.draw(this.items);
  }

  draw(items) {
    if (!this.items) this.body.replaceChildren();      // the server's picture of the first moment
    this.items = items;
    const shown = this.#sorted(items.filter((item) => this.#matches(item)));
    const wanted = new Map(shown.map((item) => [this.key(item), item]));
    const still = this.#still();
    for (const [key, row] of this.rows) {
      if (wanted.has(key)) continue;
      if (still) row.tr.classList.add('gone');
      else this.#drop(key, row);
    }
    if (!still) place(this.body, [...wanted.keys()].map((key) => this.#row(key).tr), this.#focused());
    for (const [key, item] of wanted) if (this.rows.has(key)) this.#fill(this.rows.get(key), item);
    this.#say(items.length, shown.length, still);
  }

  #drop(key, row) {
    // Whoever walks the table by keyboard must not be thrown back to the top of the page.
    if (row.tr.contains(document.activeElement)) this.scroll.focus({preventScroll: true});
    row.tr.remove();
    this.rows.delete(key);
  }

  #focused() {
    const active = document.activeElement;
    return this.body.contains(active) ? active.closest('tr') : null;
  }

  // Rows keep their places while somebody points at them or has selected some of their text.
  #still() {
    if (this.rows.size === 0) return false;
    if (performance.now() - this.pointed < POINTING) return true;
    const selection = getSelection();
    return !selection.isCollapsed && selection.containsNode(this.body, true);
  }

  #matches(item) {
    if (this.filter.length === 0) return true;
    const text = Object.values(this.cells).map((each) => each.text(item)).join('\n').toLowerCase();
    return this.filter.every((word) => text.includes(word));
  }

  #sorted(items) {
    const by = this.order && this.cells[this.order.key];
    if (!by) return items;
    const sign = this.order.way === 'ascending' ? 1 : -1;
    return items.toSorted((left, right) => compare(by.sort(left), by.sort(right), sign));
  }

  #row(key) {
    let row = this.rows.get(key);
    if (!row) {
      const tr = document.createElement('tr');
      row = {tr, nodes: this.heads.map((head) => this.#cell(tr, head)), texts: []};
      this.rows.set(key, row);
    }
    return row;
  }

  #cell(tr, head) {
    const each = this.cells[head.dataset.key];
    const td = tr.appendChild(document.createElement(each.heading ? 'th' : 'td'));
    if (each.heading) td.scope = 'row';
    td.className = head.className;
    td.dataset.key = head.dataset.key;
    return each.make(td);
  }

  #fill(row, item) {
    row.tr.classList.remove('gone');
    this.heads.forEach((head, at) => {
      const each = this.cells[head.dataset.key];
      const text = each.text(item);
      if (row.texts[at] === text) return;
      row.texts[at] = text;
      each.fill(row.nodes[at], text, item);
    });
  }

  #say(all, shown, still) {
    const words = this.filter.length ? `${shown} of ${all}` : all ? String(all) : '';
    const said = still ? `${words} · held still while you read` : words;
    if (this.count.textContent !== said) this.count.textContent = said;
    const nothing = all ? 'Nothing here matches the filter.' : this.empty.dataset.words;
    if (this.empty.textContent !== nothing) this.empty.textContent = nothing;
    this.empty.hidden = shown > 0;
  }
}
