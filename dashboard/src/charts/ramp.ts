/** `steps` colours from the first of `stops` to the last, all as `#rrggbb`. */
export function ramp(stops: readonly string[], steps: number): string[] {
  const channels = stops.map((stop) =>
    [1, 3, 5].map((start) => parseInt(stop.slice(start, start + 2), 16)),
  );
  return Array.from({ length: steps }, (_, step) => {
    const place = (step / Math.max(steps - 1, 1)) * (channels.length - 1);
    const below = Math.min(Math.floor(place), channels.length - 2);
    const [from, to] = [channels[below] ?? [], channels[below + 1] ?? []];
    const mixed = from.map((value, channel) =>
      Math.round(value + ((to[channel] ?? value) - value) * (place - below)),
    );
    return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
  });
}
