/** Light or dark: as the system says, unless the reader says otherwise. */
import type { Theme } from './colors.ts';

const key = 'handoff-theme';
const dark = matchMedia('(prefers-color-scheme: dark)');

export function currentTheme(): Theme {
  const chosen = document.documentElement.dataset['theme'];
  return chosen === 'light' || chosen === 'dark' ? chosen : dark.matches ? 'dark' : 'light';
}

/** @param changed called after every change, by the system or by the reader */
export function startTheme(changed: () => void): void {
  const chosen = stored();
  if (chosen !== null) document.documentElement.dataset['theme'] = chosen;
  dark.addEventListener('change', changed);
}

export function toggleTheme(): void {
  const next = currentTheme() === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset['theme'] = next;
  try {
    localStorage.setItem(key, next);
  } catch {
    /* A page without storage forgets it. */
  }
}

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(key);
    return value === 'light' || value === 'dark' ? value : null;
  } catch {
    return null;
  }
}
