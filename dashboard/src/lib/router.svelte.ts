import { link, parseLocation, type Location } from './location';

let current = $state.raw<Location>(parseLocation(window.location.hash));

window.addEventListener('hashchange', () => {
  current = parseLocation(window.location.hash);
});

export const router = {
  get path(): string[] {
    return current.path;
  },
  get query(): Record<string, string> {
    return current.query;
  },
  go(path: string[], query: Record<string, string | null | undefined> = {}): void {
    window.location.hash = link(path, query);
  },
  /** Changes filters in place: the way back leads to the page before, not to the filter before. */
  filter(changes: Record<string, string | null>): void {
    const next = link(current.path, { ...current.query, ...changes });
    history.replaceState(history.state, '', next);
    current = parseLocation(next);
  },
};
