import type { Alert, AlertRule } from '../api/types';
import { number, percent, span, usd } from './format';

/** An alert's figure in its own unit. */
export function alertValue(value: number, unit: string): string {
  switch (unit) {
    case 's':
      return value < 60 ? `${number(value)} s` : span(value);
    case 'share':
      return percent(value);
    case 'requests_per_second':
      return `${number(value)} req/s`;
    case 'usd_per_hour':
      return `${usd(value)} an hour`;
    case 'times':
      return `${number(value)}×`;
    default:
      return `${number(value)} ${unit}`.trim();
  }
}

/** When a rule fires, as a clause. */
export function conditionOf(rule: AlertRule): string {
  const words = { above: 'above', below: 'below', equal: 'at' }[rule.comparison];
  const hold = rule.for_seconds > 0 ? ` for ${span(rule.for_seconds)}` : '';
  const threshold = alertValue(rule.threshold, rule.unit);
  return `${rule.metric} over ${span(rule.window_seconds)} ${words} ${threshold}${hold}`;
}

/** What a silence must match to quiet this alert and no other. */
export function matchersOf(alert: Alert): string[] {
  const labels: [string, string][] = [['alertname', alert.rule], ...ownLabels(alert)];
  return labels.map(([name, value]) => `${name}="${value}"`);
}

/** An alert's labels but those that say which rule it breaks and how bad that is. */
export function ownLabels({ labels }: Pick<Alert, 'labels'>): [name: string, value: string][] {
  return Object.entries(labels).filter(([name]) => name !== 'alertname' && name !== 'severity');
}
