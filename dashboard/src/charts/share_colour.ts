/** What a colour tells: how bad a figure is, or only how large. */
export type ShareKind = 'badness' | 'amount';

/**
 * The colour of a figure between the lowest, 0, and the highest, 1. Blue to amber to red, which also
 * differ in lightness, so that it does not rest on telling red from green.
 */
export function shareColour(share: number | null, kind: ShareKind): string {
  if (share === null) return 'var(--ink-3)';
  if (kind === 'amount') return mixed('heat-4', 'heat-2', share);
  return share < 0.5
    ? mixed('quantile-95', 'quantile-50', share * 2)
    : mixed('quantile-99', 'quantile-95', share * 2 - 1);
}

/** The gradient over all shares, for a legend. */
export function shareGradient(kind: ShareKind): string {
  const colours = [0, 0.25, 0.5, 0.75, 1].map((share) => shareColour(share, kind));
  return `linear-gradient(90deg, ${colours.join(', ')})`;
}

function mixed(high: string, low: string, share: number): string {
  return `color-mix(in oklab, var(--${high}) ${Math.round(share * 100)}%, var(--${low}))`;
}
