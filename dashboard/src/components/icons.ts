/** Small drawings, each a path on a grid of 20. */
export const PATHS = {
  live: 'M2 10h3l2.5-6 4 12 2.5-6H18',
  benchmarks: 'M10 4a7 7 0 1 0 7 7M10 11l4.5-4.5M10 1.5v2.5M8 1.5h4',
  compare: 'M5 16V8M9 16V4M13 16v-5M17 16V7M2.5 17.5h16',
  regions:
    'M10 2.5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 1 0 0-15M2.5 10h15M10 2.5c-5 5-5 10 0 15M10 2.5c5 5 5 10 0 15',
  history: 'M3 3v14h14.5M6 13l3.5-4 3 2.5L17 6',
  alerts:
    'M10 2.5a5 5 0 0 0-5 5c0 4-1.5 5.5-2 6.5h14c-.5-1-2-2.5-2-6.5a5 5 0 0 0-5-5M8.2 16.5a1.9 1.9 0 0 0 3.6 0',
  check: 'M3.5 10.5l4.2 4.2L16.5 5.5',
  doubt: 'M10 2.5L18.5 17h-17zM10 8v4.2M10 14.2v.6',
  bad: 'M5 5l10 10M15 5L5 15',
  close: 'M5 5l10 10M15 5L5 15',
  theme: 'M10 2.5a7.5 7.5 0 1 0 0 15zM10 2.5a7.5 7.5 0 0 1 0 15',
  next: 'M7.5 4.5L13 10l-5.5 5.5',
  plus: 'M10 4v12M4 10h12',
  pause: 'M7 4.5v11M13 4.5v11',
  play: 'M6 4l10 6-10 6z',
  bellOff: 'M10 2.5a5 5 0 0 0-5 5c0 4-1.5 5.5-2 6.5h14c-.5-1-2-2.5-2-6.5a5 5 0 0 0-5-5M3 3l14 14',
} as const;

export type IconName = keyof typeof PATHS;
