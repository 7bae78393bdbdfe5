export type Theme = 'system' | 'light' | 'dark';

const STORAGE = 'prony.theme';
const system = window.matchMedia('(prefers-color-scheme: dark)');

let chosen = $state<Theme>(stored());
let systemIsDark = $state(system.matches);

system.addEventListener('change', (event) => {
  systemIsDark = event.matches;
  apply();
});

function stored(): Theme {
  const value = localStorage.getItem(STORAGE);
  return value === 'light' || value === 'dark' ? value : 'system';
}

function apply(): void {
  document.documentElement.dataset.theme = theme.isDark ? 'dark' : 'light';
}

export const theme = {
  get chosen(): Theme {
    return chosen;
  },
  get isDark(): boolean {
    return chosen === 'system' ? systemIsDark : chosen === 'dark';
  },
  choose(next: Theme): void {
    chosen = next;
    if (next === 'system') localStorage.removeItem(STORAGE);
    else localStorage.setItem(STORAGE, next);
    apply();
  },
};

apply();

/** The value of a colour of the theme, for what is drawn on a canvas. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
