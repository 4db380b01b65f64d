// The live page: takes what the socket sends, and draws the latest of it at most once a frame, and only while somebody can see it.

import {Chart, History} from './chart.js';
import * as steer from './steer.js';
import {Table, cell, isolated, urlCell} from './table.js';
import {clock, count, size, span} from './words.js';

const FIRST_WAIT = 500;     // milliseconds before the first new try, and at most
const LAST_WAIT = 5000;
const SILENCE = 10_000;     // milliseconds without a word after which a connection counts as lost: it should speak every second
const RELOAD = 60_000;      // milliseconds between two looks at the numbers in the database

const byId = (id) => document.getElementById(id);
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

function hostState(host) {
  if (host.parked) return 'put off';
  if (host.in_flight) return 'in flight';
  if (host.why) return 'waits';
  return host.waiting ? 'ready' : 'idle';
}

function look(node, text) {
  write(node, text);
  node.dataset.look = text;
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

const at = cell((row) => clock(row.at), {sort: (row) => row.at});
const url = urlCell((row) => row.url);

const TABLES = {
  hosts: new Table('hosts', (row) => row.host, {
    host: isolated((row) => row.host, {heading: true}),
    state: cell(hostState, {fill: look}),
    waiting: cell((row) => count(row.waiting), {sort: (row) => row.waiting}),
    in_flight: cell((row) => row.in_flight ? count(row.in_flight) : '', {sort: (row) => row.in_flight}),
    pace: cell((row) => span(row.pace), {sort: (row) => row.pace}),
    next_in: cell((row) => row.parked ? '' : row.next_in > 0 ? span(row.next_in) : 'now', {sort: (row) => row.parked ? null : row.next_in}),
    why: isolated((row) => row.parked || row.why),
    action: cell((row) => row.parked ? 'free' : row.why ? 'park free' : 'park', {fill: hostActions}),
  }),
  flying: new Table('flying', (row) => row.url, {
    url,
    seconds: cell((row) => span(row.seconds), {sort: (row) => row.seconds}),
    tries: cell((row) => String(row.tries + 1), {sort: (row) => row.tries}),
  }),
  latest: new Table('latest', (row) => `${row.at} ${row.url}`, {
    at, url,
    title: isolated((row) => row.title ?? '', {fill: (node, text) => { node.textContent = node.parentNode.title = text; }}),
    status: cell((row) => String(row.status ?? ''), {sort: (row) => row.status}),
    bytes: cell((row) => size(row.bytes), {sort: (row) => row.bytes}),
  }),
  faults: new Table('faults', (row) => `${row.at} ${row.url}`, {
    at,
    what: cell((row) => String(row.fault || row.status || '?')),
    url: {
      ...url,
      text: (row) => `${row.url}\n${row.title ?? ''}`,
      fill: (link, text, row) => {
        url.fill(link, row.url);
        link.nextSibling?.remove();
        if (!row.title) return;
        const why = link.parentNode.appendChild(document.createElement('bdi'));
        why.className = 'why soft';
        why.textContent = why.title = row.title;
      },
    },
    then: cell((row) => row.final ? 'given up' : 'tried again'),
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
  steer.update(live, isOpen());
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

let socket = null;
let wait = FIRST_WAIT;
let retry = 0;
let heard = performance.now();
let lostAt = null;          // Unix seconds
let bye = '';

const isOpen = () => lostAt === null && socket?.readyState === WebSocket.OPEN;

function connect() {
  clearTimeout(retry);
  retry = 0;
  const mine = socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/live/socket`);
  heard = performance.now();
  mine.addEventListener('message', (event) => {
    if (mine === socket) receive(event.data);
  });
  mine.addEventListener('close', () => {
    if (mine === socket) lose();
  });
}

function receive(text) {
  heard = performance.now();
  if (text.startsWith('{"bye"')) {
    bye = JSON.parse(text).bye;
    return;
  }
  newest = text;
  if (lostAt !== null) {
    lostAt = null;
    bye = '';
    wait = FIRST_WAIT;
    loaded = -Infinity;
    showLoss();
    steer.checkToken();     // a server that was started again has another
  }
  wait = FIRST_WAIT;
  request();
}

function lose() {
  socket = null;
  lostAt ??= Date.now() / 1000;
  retry = setTimeout(connect, wait * (0.8 + Math.random() * 0.4));     // not all tabs at once
  wait = Math.min(LAST_WAIT, wait * 2);
  showLoss();
  steer.update(null, false);
}

function showLoss() {
  const lost = lostAt !== null;
  document.body.classList.toggle('lost', lost);
  byId('lost').hidden = !lost;
  if (!lost) return;
  const ago = Math.max(0, Date.now() / 1000 - lostAt);
  write(byId('lost-words'), `${bye ? `${bye} ` : ''}Connection lost at ${clock(lostAt)}. What you see is from then; this page tries again by itself.`);
  write(byId('lost-since'), `for ${span(Math.floor(ago)).replace('.0', '')}`);
}

// Try at once when there is reason to hope.
function hurry() {
  if (document.hidden) return;
  request();
  if (retry) {
    wait = FIRST_WAIT;
    connect();
  }
}

function watch() {
  if (document.hidden) return;
  if (lostAt !== null) showLoss();
  if (socket && performance.now() - heard > SILENCE) {
    const silent = socket;
    lose();
    silent.close();
  }
}

byId('filter').addEventListener('input', setFilter);
byId('filter').addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  event.target.value = '';
  setFilter();
});
document.addEventListener('visibilitychange', hurry);
addEventListener('online', hurry);
addEventListener('pageshow', hurry);
setInterval(watch, 1000);
setFilter();
steer.begin();
connect();
