/** A label that must find room beside its mark. */
export interface Mark {
  name: string;
  x: number;
  y: number;
}

export interface PlacedLabel extends Mark {
  labelX: number;
  labelY: number;
  anchor: 'start' | 'middle' | 'end';
}

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** How far a label stands from its mark, and how much of a letter's height is above its line. */
const GAP = 9;

/**
 * Gives each mark's label a place where it covers no other label and no other mark: to the right,
 * to the left, above or below. A label for which there is none is left out.
 */
export function placeLabels(
  marks: readonly Mark[],
  width: number,
  height: number,
  fontSize: number,
): PlacedLabel[] {
  const taken: Box[] = marks.map(({ x, y }) => ({
    left: x - 5,
    right: x + 5,
    top: y - 5,
    bottom: y + 5,
  }));
  return marks.flatMap((mark, own) => {
    const { x, y, name } = mark;
    const long = name.length * fontSize * 0.62;
    const choices: [PlacedLabel['anchor'], number, number][] = [
      ['start', x + GAP, y + fontSize * 0.36],
      ['end', x - GAP, y + fontSize * 0.36],
      ['middle', x, y - GAP],
      ['middle', x, y + GAP + fontSize * 0.8],
    ];
    for (const [anchor, labelX, labelY] of choices) {
      const left =
        anchor === 'start' ? labelX : anchor === 'end' ? labelX - long : labelX - long / 2;
      const box = { left, right: left + long, top: labelY - fontSize * 0.85, bottom: labelY + 2 };
      const isInside = box.left >= 0 && box.right <= width && box.top >= 0 && box.bottom <= height;
      const isFree = taken.every((other, place) => place === own || !overlaps(box, other));
      if (!isInside || !isFree) continue;
      taken.push(box);
      return [{ ...mark, labelX, labelY, anchor }];
    }
    return [];
  });
}

function overlaps(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
