// Changes to the crawl. Every one is one request with the token that only the terminal shows.

import * as words from './words.js';

const KEY = 'crawler-token';
const byId = (id) => document.getElementById(id);
const settings = byId('settings');
const answer = byId('answer');
const pause = byId('pause');
const stop = byId('stop');
const dialog = byId('stop-dialog');

const READERS = {
  concurrency: words.readCount, per_host: words.readCount, tries: words.readCount, max_pages: words.readCount,
  delay: words.readGap, max_time: words.readTime, max_rest: words.readTime, max_bytes: words.readSize,
};
const SHOWN = {delay: words.showTime, max_time: words.showTime, max_rest: words.showTime, max_bytes: words.showSize};
const EXPECTED = new Map([
  [words.readCount, 'A whole number, please.'], [words.readGap, 'A time like 500ms or 2s, or a rate like 1/s, please.'],
  [words.readTime, 'A time like 30s or 2h, please.'], [words.readSize, 'A size like 500M or 10G, please.'],
]);

let token = null;
let right = null;           // whether the server takes the token; null: not known yet
let live = null;
let connected = null;       // null: not known yet
let busy = false;
let quiet = 0;

// The token

function stored(value) {
  try {
    if (value === undefined) return localStorage.getItem(KEY);
    if (value === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, value);
  } catch { /* then the token holds for as long as the page is open */ }
  return null;
}

function givenToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given) history.replaceState(null, '', location.pathname + location.search);   // not for the history, nor for who looks over the shoulder
  return given;
}

const ask = async (one) => (await fetch('/api/token', {headers: {'X-Crawler-Token': one}, cache: 'no-store'})).status;

// Any site can lead here with a token that is none: it is tried before one that is right is given up.
export async function checkToken() {
  const known = token ?? stored();
  const tried = [...new Set([givenToken(), known])].filter(Boolean);
  token = tried[0] ?? null;
  right = token ? null : false;
  try {
    for (const one of tried) {
      const status = await ask(one);
      right = status === 204;
      if (right || status !== 403) {
        token = one;
        if (right) stored(one);
        break;
      }
      token = null;
      if (one === known) stored(null);
    }
  } catch { /* not connected: asked again when the connection is back */ }
  enable();
}

// What can be done now, and if not, why

function hindrance() {
  if (connected === false) return 'Not connected: nothing can be changed now.';
  if (right === false) return 'To steer, open the address that the terminal shows.';
  if (live && !live.steerable) return 'Nothing runs that could be steered.';
  return '';
}

function enable() {
  const why = hindrance();
  const able = right === true && connected === true;
  const steerable = able && live?.steerable === true;
  for (const note of document.querySelectorAll('.steer-note')) {
    note.hidden = why === '';
    if (note.textContent !== why) note.textContent = why;
  }
  for (const field of document.querySelectorAll('fieldset.running')) field.disabled = !steerable;
  for (const field of document.querySelectorAll('fieldset.resting')) field.disabled = !able;
  const stopping = live?.phase === 'stopping';
  pause.disabled = !steerable || stopping;
  stop.disabled = !steerable;
  document.body.classList.toggle('steers', steerable);
}

export function update(data, isConnected) {
  live = data ?? live;
  connected = isConnected;
  enable();
  if (!live) return;
  const word = live.phase === 'paused' ? 'Resume' : 'Pause';
  if (pause.textContent !== word) pause.textContent = word;
  showSettings();
}

// Asking

function say(text, hint, bad) {
  clearTimeout(quiet);
  answer.className = bad ? 'bad' : '';
  answer.firstElementChild.textContent = hint ? `${text} ${hint}` : text;
  answer.hidden = false;
  if (!bad) quiet = setTimeout(() => { answer.hidden = true; }, 10_000);
}

function sentence(text) {
  const whole = /^[a-z]+[;:,]? /.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;      // but not the name of a host
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`;
}

async function send(path, body) {
  if (busy) return false;
  busy = true;
  document.body.classList.add('asking');
  try {
    const headers = {'Content-Type': 'application/json', 'X-Crawler-Token': token ?? ''};
    const reply = await fetch(path, {method: 'POST', headers, body: JSON.stringify(body)});
    const said = await reply.json().catch(() => ({}));
    if (reply.ok) say(sentence(said.text ?? 'done') + (said.busy ? ` ${words.count(said.busy)} in flight were left alone.` : ''));
    else say(sentence(said.error ?? `the server answered ${reply.status}`), said.hint ?? '', true);
    if (reply.status === 403) await checkToken();
    return reply.ok;
  } catch {
    say('The server did not answer.', 'Whether the crawl took the command is not known.', true);
    return false;
  } finally {
    busy = false;
    document.body.classList.remove('asking');
  }
}

export const control = (command) => send('/api/control', command);

// Settings: what somebody is changing is not written over by what comes in

const shown = (name, value) => value === null || value === undefined ? '' : (SHOWN[name] ?? String)(value);
const inputs = () => [...settings.elements].filter((element) => element.name in READERS);
const changed = (input) => input.value !== (input.dataset.known ?? '');

function showSettings() {
  if (!live.steerable) return;
  for (const input of inputs()) {
    if (!(input.name in live.settings)) continue;
    const value = shown(input.name, live.settings[input.name]);
    if (input.dataset.known === value) continue;
    if (!changed(input)) input.value = value;
    input.dataset.known = value;
  }
  mark();
}

function mark() {
  const dirty = inputs().filter(changed);
  for (const input of inputs()) input.classList.toggle('changed', dirty.includes(input));
  byId('settings-set').disabled = byId('settings-undo').disabled = dirty.length === 0;
}

function read(input) {
  const text = input.value.trim();
  const value = text === '' ? null : READERS[input.name](text);
  const wrong = text === '' && input.required ? 'This one needs a value.' : value === undefined ? EXPECTED.get(READERS[input.name]) : '';
  input.setCustomValidity(wrong);
  return value;
}

async function set(event) {
  event.preventDefault();
  const dirty = inputs().filter(changed);
  const values = Object.fromEntries(dirty.map((input) => [input.name, read(input)]));
  if (!settings.reportValidity() || dirty.length === 0) return;
  if (!await control({command: 'set', settings: values})) return;
  for (const input of dirty) input.value = input.dataset.known = shown(input.name, values[input.name]);
  mark();
}

function undo(event) {
  event.preventDefault();
  for (const input of inputs()) {
    input.setCustomValidity('');
    input.value = input.dataset.known ?? '';
  }
  mark();
}

// The rest

function single(id, command) {
  const form = byId(id);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (await command(form)) form.reset();
  });
}

function askToStop() {
  dialog.returnValue = '';
  dialog.showModal();
}

export function begin() {
  settings.addEventListener('submit', set);
  settings.addEventListener('reset', undo);
  settings.addEventListener('input', (event) => {
    event.target.setCustomValidity('');
    mark();
  });
  single('seed', (form) => control({command: 'seed', lines: [form.elements.line.value.trim()]}));
  single('exclude', (form) => control({command: 'exclude', pattern: form.elements.pattern.value}));
  single('retry', () => send('/api/urls', {action: 'retry', where: null, hosts: [], faults: [], all: false}));
  pause.addEventListener('click', () => control({command: live.phase === 'paused' ? 'resume' : 'pause'}));
  stop.addEventListener('click', askToStop);
  dialog.addEventListener('close', () => {
    if (dialog.returnValue) control({command: 'stop', now: dialog.returnValue === 'now'});
  });
  answer.querySelector('button').addEventListener('click', () => { answer.hidden = true; });
  addEventListener('hashchange', checkToken);
  checkToken();
}
