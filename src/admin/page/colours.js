/** As the style sheet has it for the scheme of the moment. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export const DASH_PATTERNS = { solid: [], dashed: [7, 4], dotted: [2, 3], dashdot: [9, 3, 2, 3], sparse: [2, 8] };
