// Numbers, times and amounts as people read and write them; the same words as on the command line.

const plain = new Intl.NumberFormat('en-US');
const short = new Intl.NumberFormat('en-US', {notation: 'compact', maximumSignificantDigits: 3});
const times = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'});

export const count = (number) => plain.format(number);
export const compact = (number) => short.format(number);
export const clock = (at) => times.format(at * 1000);

const two = (number) => String(Math.floor(number)).padStart(2, '0');

export function span(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 59.5) return `${seconds.toFixed(0)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two((whole % 3600) / 60)} min`;
}

export function size(bytes) {
  for (const [unit, name] of [[1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']]) {
    if (bytes >= unit) return `${(bytes / unit).toFixed(1)} ${name}`;
  }
  return `${bytes} B`;
}

export function rate(perSecond) {
  return perSecond > 0 && perSecond < 9.95 ? perSecond.toFixed(1) : count(Math.round(perSecond));
}

// What people type. Each reader gives a number, or undefined for what it cannot read.

const SECONDS = {ms: 0.001, s: 1, m: 60, min: 60, h: 3600, d: 86400};
const POWERS = {'': 0, k: 1, m: 2, g: 3, t: 4};

export function readCount(text) {
  const match = /^(\d+)\s*([km]?)$/i.exec(text);
  return match ? Number(match[1]) * {'': 1, k: 1e3, m: 1e6}[match[2].toLowerCase()] : undefined;
}

export function readTime(text) {
  const spaceless = text.replace(/\s+/g, '').toLowerCase();
  if (/^\d+(\.\d+)?$/.test(spaceless)) return Number(spaceless);
  if (!/^(\d+(\.\d+)?(ms|min|s|m|h|d))+$/.test(spaceless)) return undefined;
  let seconds = 0;
  for (const [, number, unit] of spaceless.matchAll(/(\d+(?:\.\d+)?)(ms|min|s|m|h|d)/g)) seconds += number * SECONDS[unit];
  return Number(seconds.toFixed(3));
}

export function readGap(text) {
  const match = /^(\d+(?:\.\d+)?)\s*\/\s*(s|m|min|h|d)$/i.exec(text);
  return match && Number(match[1]) > 0 ? SECONDS[match[2].toLowerCase()] / Number(match[1]) : readTime(text);
}

export function readSize(text) {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text);
  return match ? Math.floor(match[1] * 1024 ** POWERS[match[2].toLowerCase()]) : undefined;
}

// And back: the largest unit that divides it, so that what is shown can be typed.

export function showTime(seconds) {
  for (const [unit, name] of [[86400, 'd'], [3600, 'h'], [60, 'm']]) {
    if (seconds && seconds % unit === 0) return `${seconds / unit}${name}`;
  }
  return seconds > 0 && seconds < 1 ? `${Number((seconds * 1000).toPrecision(6))}ms` : `${Number(seconds.toPrecision(9))}s`;
}

export function showSize(bytes) {
  for (const [power, name] of [[4, 'T'], [3, 'G'], [2, 'M'], [1, 'K']]) {
    if (bytes && bytes % 1024 ** power === 0) return `${bytes / 1024 ** power}${name}`;
  }
  return String(bytes);
}
