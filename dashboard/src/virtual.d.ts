declare module 'virtual:land' {
  /** Rows from north to south, each as lengths of sea, land, sea, … */
  export const rows: number[][];
  /** Degrees between two dots. */
  export const step: number;
  /** The latitude of the first row. */
  export const north: number;
}
