/** The candidate that takes the fewest edits to become `text`; `undefined` where none resembles it. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  // Beyond that it is another word, not the same one mistyped.
  let fewest = Math.max(1, Math.floor(text.length * 0.4)) + 1;
  for (const candidate of candidates) {
    const edits = distance(text.toLowerCase(), candidate.toLowerCase());
    if (edits < fewest) [best, fewest] = [candidate, edits];
  }
  return best;
}

/** How many letters have to be changed, added, left out, or swapped with the next one (optimal string alignment). */
function distance(from: string, to: string): number {
  let before: number[] = [];
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      const swapped = row > 1 && from[row - 2] === to[column - 1] && from[row - 1] === to[column - 2];
      current.push(Math.min(
        at(above, column) + 1, at(current, column - 1) + 1, at(above, column - 1) + (same ? 0 : 1),
        swapped ? at(before, column - 2) + 1 : Infinity,
      ));
    }
    [before, above] = [above, current];
  }
  return at(above, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Infinity;
}
