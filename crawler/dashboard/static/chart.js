// The two charts. Totals are kept as points; pace is the difference of totals over a few seconds, so one rule serves all of it.

import {clock, compact, count, rate} from './words.js';

const RECENT = 600;         // seconds that "the last minutes" are, and that live points are kept
const SMOOTH = 5;           // seconds over which pages a second are taken
const WHOLE = Array.from({length: 9}, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();      // steps of what is counted
const FIELDS = ['at', 'pages', 'errors', 'queued'];

// What is known of the run: points from the database, then those that came live.
export class History {
  constructor() {
    this.stored = [];
    this.live = [];
  }

  async load() {
    const answer = await fetch('/api/samples');
    if (!answer.ok) return;
    const samples = await answer.json();
    this.stored = samples.at.map((at, index) => FIELDS.map((field) => samples[field]?.[index] ?? 0));
  }

  add(now, numbers) {
    const last = this.live.at(-1);
    if (last && now <= last[0]) return;
    this.live.push([now, numbers.pages ?? 0, numbers.errors ?? 0, numbers.queued ?? 0]);
    if (now - this.live[0][0] > RECENT + 60) this.live.splice(0, 60);       // in lots: each cut copies the rest
  }

  clear() {
    this.live = [];
  }

  points(whole) {
    const first = this.live[0]?.[0] ?? Infinity;
    const last = this.stored.at(-1)?.[0] ?? -Infinity;
    if (whole) return [...this.stored, ...this.live.filter((point) => point[0] > last)];
    const all = [...this.stored.filter((point) => point[0] < first), ...this.live];
    const from = (all.at(-1)?.[0] ?? 0) - RECENT - 60;       // a minute more, for the errors of the first minute shown
    return all.filter((point) => point[0] >= from);
  }
}

// What stands beneath a chart; midnight tells the day.
function moment(at, step) {
  const time = clock(at);
  if (step >= 3600 && time.startsWith('00:00')) return new Date(at * 1000).toLocaleDateString(undefined, {day: 'numeric', month: 'short'});
  return step < 60 ? time : time.slice(0, 5);
}

// By how much a total grew a second, looking back at least `seconds`. What is younger than `least` counts as that old, so that
// one error in the first second is not sixty a minute.
function growth(points, field, seconds, least = 0) {
  let back = 0;
  return points.map((point, index) => {
    while (back + 1 < index && point[0] - points[back + 1][0] >= seconds) back += 1;
    const passed = point[0] - points[back][0];
    return index === 0 || passed <= 0 ? null : Math.max(0, (point[field] - points[back][field]) / Math.max(passed, least));
  });
}

const SHOWN = {
  speed: (points) => [growth(points, 1, SMOOTH), growth(points, 2, 60, 60).map((each) => each === null ? null : each * 60)],
  sum: (points) => [points.map((point) => point[1]), points.map((point) => point[3])],
};

function colours(section) {
  const of = (selector, property) => getComputedStyle(section.querySelector(selector))[property];
  return {
    one: of('.swatch.one', 'backgroundColor'), two: of('.swatch.two', 'backgroundColor'),
    ink: of('.when', 'color'), line: of('.plot', 'borderTopColor'),
  };
}

export class Chart {
  constructor(kind, history) {
    this.kind = kind;
    this.history = history;
    this.section = document.getElementById(`chart-${kind}`);
    this.plot = this.section.querySelector('.plot');
    this.values = [...this.section.querySelectorAll('.key b')];
    this.when = this.section.querySelector('.when');
    this.whole = kind === 'sum';
    this.chart = null;
    for (const button of this.section.querySelectorAll('.choice button')) {
      button.addEventListener('click', () => this.choose(button.dataset.span === 'whole'));
    }
    addEventListener('colours', () => this.restart());
    new ResizeObserver(() => this.chart?.setSize(this.#size())).observe(this.plot);
  }

  choose(whole) {
    this.whole = whole;
    for (const button of this.section.querySelectorAll('.choice button')) {
      button.setAttribute('aria-pressed', String((button.dataset.span === 'whole') === whole));
    }
    this.draw();
  }

  restart() {
    this.chart?.destroy();
    this.chart = null;
    this.draw();
  }

  draw() {
    const points = this.history.points(this.whole);
    const enough = points.length > 1;
    this.section.querySelector('.empty').hidden = enough;
    this.plot.hidden = !enough;
    if (!enough) return;
    const data = [points.map((point) => point[0]), ...SHOWN[this.kind](points)];
    const end = data[0].at(-1);
    this.from = this.whole ? data[0][0] : Math.max(data[0][0], end - RECENT);
    this.to = end;
    if (this.chart) this.chart.setData(data);
    else this.chart = new uPlot(this.#options(), data, this.plot);
    this.#say();
  }

  #size() {
    return {width: Math.max(50, this.plot.clientWidth), height: Math.max(50, this.plot.clientHeight)};
  }

  #options() {
    const {one, two, ink, line} = colours(this.section);
    const font = '11px system-ui, sans-serif';
    const axis = {stroke: ink, font, grid: {show: false}, ticks: {show: false}};
    const shade = (colour, part) => colour.replace('rgb(', 'rgba(').replace(')', `, ${part})`);
    const upwards = (least) => (_, __, most) => [0, Math.max(least, (most ?? 0) * 1.12)];
    const speed = this.kind === 'speed';
    const numbers = (_, splits) => splits.map((value) => compact(value));
    return {
      ...this.#size(),
      padding: [10, speed ? 0 : 18, 0, 0],
      legend: {show: false},
      cursor: {drag: {x: false, y: false}, points: {size: 7}},
      scales: {x: {range: () => [this.from, this.to]}, y: {range: upwards(speed ? 1 : 5)}, errors: {range: upwards(5)}},
      series: [
        {},
        {stroke: one, fill: shade(one, 0.12), width: 2, points: {show: false}},
        {stroke: two, width: speed ? 1.5 : 2, scale: speed ? 'errors' : 'y', points: {show: false}},
      ],
      axes: [
        {...axis, size: 26, space: 80, values: (_, splits, __, ___, step) => splits.map((at) => moment(at, step))},
        {...axis, size: 44, space: 36, grid: {stroke: line, width: 1}, values: numbers, incrs: speed ? undefined : WHOLE},
        ...(speed ? [{...axis, stroke: two, side: 1, size: 34, space: 36, scale: 'errors', values: numbers, incrs: WHOLE}] : []),
      ],
      hooks: {setCursor: [() => this.#say()]},
    };
  }

  // The key tells the values beneath the pointer, else those of now.
  #say() {
    if (!this.chart) return;
    const pointed = this.chart.cursor.idx;
    const index = pointed ?? this.chart.data[0].length - 1;
    const said = this.values.map((node, series) => {
      const value = this.chart.data[series + 1][index];
      const show = this.kind === 'speed' && series === 0 ? rate : (number) => count(Math.round(number));
      const text = value === null || value === undefined ? '' : show(value);
      if (node.textContent !== text) node.textContent = text;
      return `${node.previousSibling.textContent.trim()} ${text}`;
    });
    if (pointed === null || pointed === undefined) this.plot.setAttribute('aria-label', `Chart, now: ${said.join(', ')}`);
    const when = pointed === null || pointed === undefined ? '' : clock(this.chart.data[0][index]);
    if (this.when.textContent !== when) this.when.textContent = when;
  }
}
