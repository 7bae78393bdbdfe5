import { createRequire } from 'node:module';
import type { Plugin } from 'vite';
import { feature } from 'topojson-client';
import type { Topology, GeometryCollection } from 'topojson-specification';
import type { FeatureCollection, MultiPolygon, Polygon, Position } from 'geojson';

/** The module that pages import: rows of a world map in dots, from north to south. */
const NAME = 'virtual:land';

/** Degrees between two dots. */
const STEP = 2;
const NORTH = 76;
const SOUTH = -56;

/**
 * Provides the land of the world as a small grid of dots, computed at build time from Natural
 * Earth's outlines, so that the page carries about two kilobytes in their place.
 */
export function land(): Plugin {
  return {
    name: 'land',
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load: (id) => (id === `\0${NAME}` ? moduleText() : undefined),
  };
}

function moduleText(): string {
  const rings = landRings();
  const rows: string[] = [];
  for (let latitude = NORTH; latitude >= SOUTH; latitude -= STEP) {
    let row = '';
    for (let longitude = -180; longitude < 180; longitude += STEP) {
      row += isInside(rings, longitude + STEP / 2, latitude) ? '1' : '0';
    }
    rows.push(row);
  }
  return `export const rows = ${JSON.stringify(rows.map(runLengths))};
export const step = ${STEP};
export const north = ${NORTH};
`;
}

/** A row as lengths of sea, land, sea, … */
function runLengths(row: string): number[] {
  const lengths: number[] = [];
  let last = '0';
  let length = 0;
  for (const cell of row) {
    if (cell !== last) {
      lengths.push(length);
      length = 0;
      last = cell;
    }
    length += 1;
  }
  lengths.push(length);
  return lengths;
}

function landRings(): Position[][] {
  const read = createRequire(import.meta.url);
  const world = read('world-atlas/land-110m.json') as Topology<{ land: GeometryCollection }>;
  const shapes = feature(world, world.objects.land) as FeatureCollection<Polygon | MultiPolygon>;
  return shapes.features.flatMap(({ geometry }) =>
    geometry.type === 'Polygon' ? geometry.coordinates : geometry.coordinates.flat(),
  );
}

/** Whether a point lies within an odd number of rings: on land, and not in a lake. */
function isInside(rings: Position[][], x: number, y: number): boolean {
  let inside = false;
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
      const [xi, yi] = ring[i] as [number, number];
      const [xj, yj] = ring[j] as [number, number];
      if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
    }
  }
  return inside;
}
