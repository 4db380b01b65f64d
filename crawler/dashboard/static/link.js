// The connection to the server: it is lost at times, says so, and comes back by itself.

import {clock, span} from './words.js';

const FIRST_WAIT = 500;     // milliseconds before the first new try, and at most
const LAST_WAIT = 5000;
const SILENCE = 10_000;     // milliseconds without a word after which a connection counts as lost: it should speak every second

const box = document.getElementById('lost');
const since = document.getElementById('lost-since');
const said = document.getElementById('lost-words');

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export class Link {
  // `receive` gets each message as it came; `changed` is told when the connection is lost, and when it is back.
  constructor(receive, changed) {
    this.receive = receive;
    this.changed = changed;
    this.socket = null;
    this.wait = FIRST_WAIT;
    this.timer = 0;
    this.heard = 0;
    this.lostAt = null;     // Unix seconds
    this.bye = '';          // why the server went away, in its words
    document.addEventListener('visibilitychange', () => this.#hurry());
    addEventListener('online', () => this.#hurry());
    addEventListener('pageshow', () => this.#hurry());
    setInterval(() => this.#watch(), 1000);
  }

  get open() {
    return this.lostAt === null && this.socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.heard = performance.now();
    const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/live/socket`);
    socket.addEventListener('message', (event) => { if (socket === this.socket) this.#hear(event.data); });
    socket.addEventListener('close', () => { if (socket === this.socket) this.#lose(); });
    this.socket = socket;
  }

  #hear(text) {
    this.heard = performance.now();
    this.wait = FIRST_WAIT;
    if (text.startsWith('{"bye"')) {
      this.bye = JSON.parse(text).bye;
      return;
    }
    const back = this.lostAt !== null;
    this.lostAt = null;
    this.bye = '';
    if (back) {
      this.#show();
      this.changed(true);
    }
    this.receive(text);
  }

  #lose() {
    this.socket = null;
    this.lostAt ??= Date.now() / 1000;
    this.timer = setTimeout(() => this.connect(), this.wait * (0.8 + Math.random() * 0.4));      // not all tabs at once
    this.wait = Math.min(LAST_WAIT, this.wait * 2);
    this.#show();
    this.changed(false);
  }

  #show() {
    const lost = this.lostAt !== null;
    document.body.classList.toggle('lost', lost);
    box.hidden = !lost;
    if (!lost) return;
    const ago = Math.max(0, Date.now() / 1000 - this.lostAt);
    box.classList.toggle('bad', this.bye === '');        // an end that was announced is no trouble
    write(since, this.bye || `No connection for ${span(ago).replace(/\.\d/, '')}`);
    write(said, `What you see is from ${clock(this.lostAt)}. The page tries again by itself.`);
  }

  // Try at once when there is reason to hope.
  #hurry() {
    if (document.hidden || !this.timer) return;
    this.wait = FIRST_WAIT;
    this.connect();
  }

  #watch() {
    if (document.hidden) return;
    if (this.lostAt !== null) this.#show();
    if (!this.socket || performance.now() - this.heard < SILENCE) return;
    const silent = this.socket;     // a sleep or a dead network closes nothing
    this.#lose();
    silent.close();
  }
}
