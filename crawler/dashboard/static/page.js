// What every page has: colours, help and keys.

const root = document.documentElement;
const help = document.getElementById('help');
const word = document.getElementById('theme-word');

function showTheme() {
  const theme = root.dataset.theme ?? 'auto';
  word.textContent = theme[0].toUpperCase() + theme.slice(1);
}

function nextTheme() {
  const next = {auto: 'light', light: 'dark', dark: 'auto'}[root.dataset.theme ?? 'auto'];
  if (next === 'auto') delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    localStorage.setItem('crawler-theme', next);
  } catch { /* then it holds for this page only */ }
  showTheme();
  dispatchEvent(new Event('colours'));
}

function typing(target) {
  return target.isContentEditable || target.matches('input:not([type=submit]), textarea, select');
}

function toFilter() {
  const box = document.getElementById('filter') ?? document.querySelector('.filters input') ?? document.getElementById('explain-url');
  box.focus();
  box.select();
}

// A click beside a dialog closes it, as people expect.
function beside(event) {
  const box = event.currentTarget.getBoundingClientRect();
  const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
  if (event.target === event.currentTarget && event.detail && !inside) event.currentTarget.close('');
}

const KEYS = {
  '/': toFilter,
  '?': () => help.showModal(),
  p: () => document.getElementById('pause')?.click(),
};

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector('dialog[open]')) return;
  if (typing(event.target)) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  const act = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
  if (!act) return;
  event.preventDefault();
  act();
});

document.getElementById('theme').addEventListener('click', nextTheme);
document.getElementById('help-button').addEventListener('click', () => help.showModal());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => dispatchEvent(new Event('colours')));
for (const dialog of document.querySelectorAll('dialog')) dialog.addEventListener('click', beside);
document.querySelector('nav [aria-current]')?.scrollIntoView({block: 'nearest', inline: 'center'});
showTheme();
