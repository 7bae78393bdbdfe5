/** How many series colours the theme has: `--series-0` to `--series-7`. */
export const HUES = 8;

const DASHES: readonly number[][] = [[], [6, 3], [2, 3]];

/** How a series looks, wherever it is drawn. */
export interface Look {
  /** The name of a colour of the theme. */
  token: string;
  /** Line and gap in pixels: tells apart what shares a colour. */
  dash: number[];
}

const places = new Map<string, number>();

/**
 * The look of a model, or of another name that series carry: the same on every page, given out in
 * the order in which names become known.
 */
export function lookOf(name: string): Look {
  let place = places.get(name);
  if (place === undefined) {
    place = new Set(places.values()).size;
    places.set(name, place);
  }
  return lookAt(place);
}

/** Gives `name` the look of `model`: a target and the model it serves look the same. */
export function shareLook(name: string, model: string): void {
  lookOf(model);
  if (!places.has(name)) places.set(name, places.get(model) ?? 0);
}

/** The look of a place in an order. */
export function lookAt(place: number): Look {
  return {
    token: `series-${place % HUES}`,
    dash: DASHES[Math.floor(place / HUES) % DASHES.length] ?? [],
  };
}

/**
 * The look of a place in an order of what is no model: the colours that models are given last, so
 * that they are seldom on the page with another meaning.
 */
export function lookBeside(place: number): Look {
  if (place === 0) return { token: 'accent', dash: [] };
  const round = Math.floor((place - 1) / HUES);
  return lookAt(round * HUES + HUES - 1 - ((place - 1) % HUES));
}

/** The percentiles of one series, from common to rare. */
export const QUANTILE_LOOK = {
  p50: { token: 'quantile-50', dash: [] },
  p95: { token: 'quantile-95', dash: [] },
  p99: { token: 'quantile-99', dash: [] },
} satisfies Record<string, Look>;
