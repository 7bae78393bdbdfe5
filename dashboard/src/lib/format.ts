/** What stands where a figure could not be measured. */
export const NONE = '–';

/** Non-breaking thin space between a number and its unit. */
const GAP = '\u202f';

/** A number to three significant digits, with thousands set apart. */
export function number(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const magnitude = Math.abs(value);
  if (magnitude === 0) return '0';
  const whole = Math.floor(Math.log10(magnitude)) + 1;
  const decimals = Math.min(Math.max(digits - whole, 0), 6);
  return value.toLocaleString('en', {
    minimumFractionDigits: magnitude < 1e3 && !Number.isInteger(value) ? decimals : 0,
    maximumFractionDigits: decimals,
  });
}

export function integer(value: number | null | undefined): string {
  return value === null || value === undefined ? NONE : Math.round(value).toLocaleString('en');
}

/** A large count in few characters: 12.4 k, 3.02 M. */
export function compact(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  const magnitude = Math.abs(value);
  if (magnitude >= 1e9) return `${number(value / 1e9)}${GAP}G`;
  if (magnitude >= 1e6) return `${number(value / 1e6)}${GAP}M`;
  if (magnitude >= 1e4) return `${number(value / 1e3)}${GAP}k`;
  return number(value);
}

/** A number and its unit, apart, so that a page may set them in different sizes. */
export interface Measured {
  value: string;
  unit: string;
}

/** A latency in milliseconds; from ten seconds on, in seconds. */
export function latency(ms: number | null | undefined): Measured {
  if (ms === null || ms === undefined) return { value: NONE, unit: 'ms' };
  return ms >= 10_000 ? { value: number(ms / 1e3), unit: 's' } : { value: number(ms), unit: 'ms' };
}

export function latencyText(ms: number | null | undefined): string {
  return text(latency(ms));
}

export function text({ value, unit }: Measured): string {
  return value === NONE ? NONE : `${value}${GAP}${unit}`;
}

export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined) return NONE;
  const value = share * 100;
  const digits = value !== 0 && Math.abs(value) < 10 ? 2 : 1;
  return `${value.toLocaleString('en', { maximumFractionDigits: digits })}${GAP}%`;
}

/** An availability, with every digit that tells 99.9 % from 99.99 %. */
export function availability(share: number): string {
  return `${(share * 100).toFixed(3)}${GAP}%`;
}

/** What is left of an error budget; what is spent beyond it is below zero. */
export function budgetLeft(share: number | null | undefined): string {
  if (share === null || share === undefined) return NONE;
  return `${Math.round(share * 100)
    .toLocaleString('en')
    .replace('-', '−')}${GAP}%`;
}

/** Money: cents, and below a dollar the first digits that are not zero. */
export function usd(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  if (value === 0 || Math.abs(value) >= 1) {
    return `$${value.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  }
  if (Math.abs(value) >= 0.01) {
    return `$${value.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 3 })}`;
  }
  return `$${Number(value.toPrecision(2)).toLocaleString('en', { maximumFractionDigits: 9 })}`;
}

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let scaled = value;
  let unit = 0;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${number(scaled)}${GAP}${units[unit]}`;
}

/** A length of time in its two largest units: 45 s, 12 min 30 s, 3 d 4 h. */
export function span(seconds: number): string {
  const parts: [number, string][] = [
    [86_400, 'd'],
    [3_600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  let rest = seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds);
  if (rest < 1) return rest === 0 ? `0${GAP}s` : `${rest}${GAP}s`;
  const words: string[] = [];
  for (const [size, unit] of parts) {
    if (rest < size) continue;
    const whole = unit === 's' ? rest : Math.floor(rest / size);
    words.push(`${Number(whole.toFixed(1))}${GAP}${unit}`);
    rest -= whole * size;
    if (words.length === 2 || rest < 1) break;
  }
  return words.join(' ');
}

/** How long before `now` a moment was, in one unit. */
export function ago(moment: string | number, now: number): string {
  const seconds = Math.max(0, (now - new Date(moment).getTime()) / 1e3);
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds)}${GAP}s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}${GAP}min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}${GAP}h ago`;
  return `${Math.floor(seconds / 86_400)}${GAP}d ago`;
}

const CLOCK = { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false } as const;

/** 14:03:27, in the reader's own time zone. */
export function clock(moment: string | number): string {
  return new Date(moment).toLocaleTimeString('en-GB', CLOCK);
}

/** 24 Nov, of a day in UTC. */
export function day(unixMs: number): string {
  return new Date(unixMs).toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'short',
    timeZone: 'UTC',
  });
}

/** 24 Nov, 14:03, in the reader's own time zone. */
export function dateTime(moment: string | number): string {
  return new Date(moment).toLocaleString('en-GB', {
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
  });
}

/** Words of a key: `rate_limited` as "rate limited". */
export function words(key: string): string {
  return key.replaceAll('_', ' ');
}

/** "1 run", "3 runs". */
export function plural(count: number, noun: string): string {
  return `${integer(count)} ${noun}${count === 1 ? '' : 's'}`;
}
