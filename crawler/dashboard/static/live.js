// The live page: takes what the socket sends, and draws the latest of it at most once a frame, and only while somebody can see it.

import {Chart, History} from './chart.js';
import {Link} from './link.js';
import * as steer from './steer.js';
import {Table, cell, isolated, urlCell} from './table.js';
import {clock, count, size, span} from './words.js';

const RELOAD = 60_000;      // milliseconds between two looks at the numbers in the database

const byId = (id) => document.getElementById(id);
const NAME = document.querySelector('.brand').textContent;
const MINOR = new Set(['received', 'flight', 'lag', 'memory']);

let newest = null;          // the latest message as it came: it is not even read before it is drawn
let live = null;            // what is drawn
let due = false;

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Verdict and tiles

function drawVerdict() {
  const verdict = byId('verdict');
  const sign = `#sign-${live.phase === 'paused' ? 'paused' : live.level}`;
  if (byId('sign').getAttribute('href') !== sign) {
    byId('sign').setAttribute('href', sign);
    verdict.className = `verdict ${live.level}`;
    write(byId('announced'), live.verdict);     // read out when it turns, not each second
  }
  write(byId('verdict-words'), live.verdict);
  write(byId('detail'), live.detail);
  byId('detail').hidden = !live.detail;
  write(byId('phase'), live.phase_words);
  document.title = `${live.verdict} · ${live.name}`;
}

function makeTile(each) {
  const tile = document.createElement('div');
  tile.dataset.key = each.key;
  for (const [tag, name] of [['dt', ''], ['dd', 'value'], ['dd', 'note']]) tile.appendChild(document.createElement(tag)).className = name;
  return tile;
}

function drawTiles(list, tiles) {
  const known = [...list.children].map((tile) => tile.dataset.key).join();
  if (known !== tiles.map((each) => each.key).join()) list.replaceChildren(...tiles.map(makeTile));
  list.hidden = tiles.length === 0;
  tiles.forEach((each, at) => {
    const tile = list.children[at];
    const name = `tile ${each.level}`.trim();
    if (tile.className !== name) tile.className = name;
    [each.label, each.value, each.note].forEach((text, part) => write(tile.children[part], text));
  });
}

// Tables

// Waiting for one's turn is how a polite crawl is; a rest is longer than the pace.
const rests = (host) => host.why.startsWith('rests') || (host.why !== '' && host.next_in > host.pace + 1);

function hostState(host) {
  if (host.parked) return 'put off';
  if (host.in_flight) return 'in flight';
  if (host.why) return rests(host) ? 'rests' : 'waits';
  return host.waiting ? 'ready' : 'idle';
}

function hostWords(host) {
  const state = hostState(host);
  const why = host.parked || (host.in_flight ? '' : host.why);
  return why.startsWith(state) ? why : why ? `${state}: ${why}` : state;
}

function withTitle(node, text) {
  node.textContent = node.parentNode.title = text;
}

function fillState(node, text, host) {
  withTitle(node, text);
  node.parentNode.dataset.look = hostState(host);
}

function button(word, host, command, title) {
  const node = document.createElement('button');
  node.type = 'button';
  node.textContent = word;
  node.title = title;
  node.setAttribute('aria-label', `${word} ${host}`);
  node.addEventListener('click', () => steer.control({command, host}));
  return node;
}

function hostActions(node, words, {host}) {
  const had = node.contains(document.activeElement);
  const made = [];
  if (words.includes('park')) made.push(button('Park', host, 'park', 'Put it off until the next run'));
  if (words.includes('free')) made.push(button('Free', host, 'free', 'End its rest, also one that it asked for itself'));
  node.replaceChildren(...made);
  if (had) made[0]?.focus();
}

const outcome = (row) => (row.final ? 'given up' : 'tried again') + (row.title ? `: ${row.title}` : '');

const at = cell((row) => clock(row.at), {sort: (row) => row.at});
const url = urlCell((row) => row.url);

const TABLES = {
  hosts: new Table('hosts', (row) => row.host, {
    host: isolated((row) => row.host, {heading: true, fill: withTitle}),
    state: isolated(hostWords, {fill: fillState}),
    waiting: cell((row) => count(row.waiting), {sort: (row) => row.waiting}),
    in_flight: cell((row) => row.in_flight ? count(row.in_flight) : '', {sort: (row) => row.in_flight}),
    pace: cell((row) => span(row.pace), {sort: (row) => row.pace}),
    next_in: cell((row) => row.parked ? '' : row.next_in > 0 ? span(row.next_in) : 'now', {sort: (row) => row.parked ? null : row.next_in}),
    action: cell((row) => row.parked ? 'free' : rests(row) ? 'park free' : 'park', {fill: hostActions}),
  }),
  flying: new Table('flying', (row) => row.url, {
    url,
    seconds: cell((row) => span(row.seconds), {sort: (row) => row.seconds}),
    tries: cell((row) => String(row.tries + 1), {sort: (row) => row.tries}),
  }),
  latest: new Table('latest', (row) => `${row.at} ${row.url}`, {
    at, url,
    title: isolated((row) => row.title ?? '', {fill: withTitle}),
    status: cell((row) => String(row.status ?? ''), {sort: (row) => row.status}),
    bytes: cell((row) => size(row.bytes), {sort: (row) => row.bytes}),
  }),
  faults: new Table('faults', (row) => `${row.at} ${row.url}`, {
    at,
    what: cell((row) => String(row.fault || row.status || '?')),
    url: {
      ...url,
      text: (row) => `${row.url}\n${outcome(row)}`,
      sort: (row) => row.url,
      fill: (link, text, row) => {
        url.fill(link, row.url);
        link.nextSibling?.remove();
        const why = link.parentNode.appendChild(document.createElement('bdi'));
        why.className = 'why soft';
        why.textContent = why.title = outcome(row);
      },
    },
  }),
};

function drawWrong() {
  const list = byId('wrong');
  const words = Object.entries(live.wrong).sort((one, other) => other[1] - one[1]);
  list.hidden = words.length === 0;
  const items = words.map(([word, times]) => `${count(times)} ${word}`);
  if (list.dataset.words === items.join()) return;
  list.dataset.words = items.join();
  list.replaceChildren(...words.map(([word, times]) => {
    const item = document.createElement('li');
    item.appendChild(document.createElement('b')).textContent = count(times);
    item.append(` ${word}`);
    return item;
  }));
}

function setFilter() {
  const words = byId('filter').value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  for (const table of Object.values(TABLES)) table.setFilter(words);
  write(byId('filter-said'), words.length ? 'All four tables show what matches.' : '');
}

// Charts

const history = new History();
const charts = [new Chart('speed', history), new Chart('sum', history)];
let loaded = -Infinity;

async function loadHistory() {
  loaded = performance.now();
  try {
    await history.load();
    for (const chart of charts) chart.draw();
  } catch { /* the charts begin with what comes live */ }
}

const running = (phase) => ['running', 'paused', 'stopping'].includes(phase);

// Drawing

function draw() {
  due = false;
  if (newest === null) return;
  const before = live;
  live = JSON.parse(newest);
  newest = null;
  const began = before && !running(before.phase) && running(live.phase);
  if (began || (before && live.now - before.now > 30)) {      // another run, or a picture with a hole in it
    history.clear();
    loaded = -Infinity;
  }
  if (running(live.phase)) history.add(live.now, live.numbers);
  if (before === null && !running(live.phase)) charts[0].choose(true);
  drawVerdict();
  drawTiles(byId('tiles'), live.tiles.filter((each) => !MINOR.has(each.key)));
  drawTiles(byId('minor-tiles'), live.tiles.filter((each) => MINOR.has(each.key)));
  for (const [name, table] of Object.entries(TABLES)) table.draw(live[name]);
  drawWrong();
  const bare = !live.steerable && Object.keys(TABLES).every((name) => live[name].length === 0);
  byId('tables').hidden = byId('filter-bar').hidden = bare;        // a crawl at rest has nothing in hand
  steer.update(live, link.open);
  if (performance.now() - loaded > RELOAD) loadHistory();
  else for (const chart of charts) chart.draw();
}

// A frame comes only when the page is seen, so a tab in the background does nothing but keep the latest message.
function request() {
  if (due || newest === null) return;
  due = true;
  requestAnimationFrame(draw);
}

// The connection

function receive(text) {
  newest = text;
  request();
}

function changed(isOpen) {
  if (isOpen) {
    loaded = -Infinity;
    steer.checkToken();     // a server that was started again has another
  } else {
    document.title = `Not connected · ${live?.name ?? NAME}`;      // a tab in the background is known by its title alone
  }
  steer.update(null, isOpen);
}

const link = new Link(receive, changed);

byId('filter').addEventListener('input', setFilter);
byId('filter').addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  event.target.value = '';
  setFilter();
});
document.addEventListener('visibilitychange', request);
setFilter();
steer.begin();
link.connect();
