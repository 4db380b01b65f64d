'use strict';
// Runs before the first picture, so that a dark page never flashes white.
document.documentElement.classList.add('js');
try {
  const theme = localStorage.getItem('crawler-theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch { /* storage is closed to us: as the system has it */ }
