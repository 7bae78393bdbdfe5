import type { Alert, AlertRule } from '../api/types';
import { latencyText, number, percent, span, usd, words } from './format';

/** An alert's figure in its own unit. */
export function alertValue(value: number, unit: string): string {
  switch (unit) {
    case 's':
      if (value < 1) return latencyText(value * 1e3);
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

/** `e2e_p95` as "E2E p95", `error_rate` as "error rate". */
function metricWords(metric: string): string {
  return words(metric).replace(/^(e2e|ttft|tpot)\b/, (latency) => latency.toUpperCase());
}

/** When a rule fires, as a clause. */
export function conditionOf(rule: AlertRule): string {
  if (rule.metric === 'no_traffic') {
    return `no request ended in the last ${span(rule.window_seconds)}${holdOf(rule)}`;
  }
  const side = { above: 'above', below: 'below', equal: 'at' }[rule.comparison];
  const threshold = alertValue(rule.threshold, rule.unit);
  return `${metricWords(rule.metric)} over ${span(rule.window_seconds)} ${side} ${threshold}${holdOf(rule)}`;
}

function holdOf({ for_seconds }: AlertRule): string {
  return for_seconds > 0 ? ` for ${span(for_seconds)}` : '';
}

/** The worst first, and of those the newest. */
export function byUrgency(a: Alert, b: Alert): number {
  return (
    Number(b.severity === 'critical') - Number(a.severity === 'critical') ||
    b.since.localeCompare(a.since)
  );
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
