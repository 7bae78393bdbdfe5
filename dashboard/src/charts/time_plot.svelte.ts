import uPlot from 'uplot';
import { theme, token } from '../lib/theme.svelte';
import { faint, type Band, type ChartSeries } from './series';

/** What a plot shows, read anew whenever it changes. */
interface Content {
  timesUnixMs: number[];
  series: ChartSeries[];
  bands: Band[];
  height: number;
  format: (value: number) => string;
  /** Between which marks of the scale may stand. */
  steps: readonly number[] | undefined;
  group: string | undefined;
  /** Takes the stretch of time that the reader drew. */
  onselect: ((fromUnixMs: number, toUnixMs: number) => void) | undefined;
}

/** The least room for the scale: charts below each other then stand on one line. */
const GUTTER = 52;

interface Wiring {
  read: () => Content;
  onpoint: (place: number | null) => void;
  onplot: (plot: uPlot | undefined) => void;
}

/**
 * Draws a plot into `element` and keeps it up to date; gives what takes it down again.
 *
 * New values go into the plot there is. It is made anew only where lines, marks or the theme change.
 */
export function mountPlot(element: HTMLElement, { read, onpoint, onplot }: Wiring): () => void {
  let plot: uPlot | undefined;
  let made = '';

  const takeDown = () => {
    plot?.destroy();
    plot = undefined;
    onplot(undefined);
  };
  $effect(() => {
    const content = read();
    const shape = shapeOf(content);
    const width = element.clientWidth;
    if (plot && shape === made) {
      plot.setData(dataOf(content));
      return;
    }
    takeDown();
    made = shape;
    const format = (value: number) => read().format(value);
    plot = new uPlot(options({ ...content, format }, width, onpoint), dataOf(content), element);
    onplot(plot);
  });

  const observer = new ResizeObserver(() => {
    if (plot && element.clientWidth > 0 && element.clientWidth !== plot.width) {
      plot.setSize({ width: element.clientWidth, height: plot.height });
    }
  });
  observer.observe(element);
  return () => {
    observer.disconnect();
    takeDown();
  };
}

function shapeOf({ series, bands, height }: Content): string {
  const lines = series.map(({ label, token, dash, filled }) => [label, token, dash, filled]);
  return JSON.stringify([theme.isDark, height, lines, bands]);
}

function dataOf({ timesUnixMs, series }: Content): uPlot.AlignedData {
  return [timesUnixMs.map((time) => time / 1e3), ...series.map(({ values }) => values)];
}

function options(
  { series, bands, height, format, steps, group, onselect }: Content,
  width: number,
  onpoint: Wiring['onpoint'],
): uPlot.Options {
  const font = `11px ${token('sans')}`;
  const axis = {
    stroke: token('ink-3'),
    font,
    grid: { stroke: token('line'), width: 1 },
    ticks: { stroke: token('line-strong'), width: 1, size: 4 },
  };
  return {
    width,
    height,
    // To the right, half of a time of day, which may stand at the very end.
    padding: [8, 26, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      points: { size: 7 },
      drag: { x: onselect !== undefined, y: false, setScale: false },
      ...(group ? { sync: { key: group } } : {}),
    },
    scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [
      { ...axis, size: 22, gap: 4, space: 62, values: clockLabels },
      {
        ...axis,
        size: (_plot, labels) => Math.max(GUTTER, 14 + 6.4 * longest(labels)),
        gap: 4,
        space: 24,
        ...(steps ? { incrs: [...steps] } : {}),
        values: (_plot, splits) => splits.map((value) => format(value)),
      },
    ],
    series: [{}, ...series.map(lineOptions)],
    hooks: {
      drawClear: [(plot) => drawBands(plot, bands, font)],
      setCursor: [(plot) => onpoint(plot.cursor.idx ?? null)],
      setSelect: onselect ? [(plot) => takeSelection(plot, onselect)] : [],
    },
  };
}

function takeSelection(plot: uPlot, onselect: NonNullable<Content['onselect']>): void {
  const { left, width } = plot.select;
  if (width === 0) return;
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  onselect(plot.posToVal(left, 'x') * 1e3, plot.posToVal(left + width, 'x') * 1e3);
}

function lineOptions({ label, token: colour, dash, filled }: ChartSeries): uPlot.Series {
  return {
    label,
    stroke: token(colour),
    width: 1.6,
    ...(dash?.length ? { dash } : {}),
    ...(filled ? { fill: faint(colour, 12) } : {}),
    points: { show: false },
    spanGaps: false,
  };
}

function longest(labels: string[] | null): number {
  return Math.max(0, ...(labels ?? []).map((label) => label.length));
}

/** Times of day; dates too where the axis covers more than a day. */
function clockLabels(plot: uPlot, splits: number[]): string[] {
  const spanSeconds = (plot.scales.x?.max ?? 0) - (plot.scales.x?.min ?? 0);
  const options: Intl.DateTimeFormatOptions =
    spanSeconds > 86_400 * 2
      ? { day: 'numeric', month: 'short' }
      : { hour: '2-digit', minute: '2-digit', hour12: false };
  if (spanSeconds < 900) options.second = '2-digit';
  return splits.map((seconds) => new Date(seconds * 1e3).toLocaleString('en-GB', options));
}

function drawBands(plot: uPlot, bands: readonly Band[], font: string): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const { fromUnixMs, toUnixMs, label } of bands) {
    const left = plot.valToPos(fromUnixMs / 1e3, 'x', true);
    const right = Math.max(plot.valToPos(toUnixMs / 1e3, 'x', true), left + 2 * scale);
    ctx.fillStyle = faint('accent', 11);
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.fillStyle = token('accent');
    ctx.fillRect(left, bbox.top, right - left, 2 * scale);
    ctx.font = font.replace('11px', `${10 * scale}px`);
    if (right - left > 60 * scale) ctx.fillText(label, left + 4 * scale, bbox.top + 14 * scale);
  }
  ctx.restore();
}
