export function drawChart() { return ""; }
