import { readExample } from './examples';

/** The instructions of an example's Dockerfile, whose lines may be continued. */
export function instructionsOf(folder: string): [instruction: string, rest: string][] {
  const text = readExample(folder, 'Dockerfile').replace(/^#.*\n/gm, '').replace(/\\\n\s*/g, '');
  return Array.from(text.matchAll(/^([A-Z]+) (.+)$/gm), ([, instruction = '', rest = '']) => [instruction, rest]);
}

/** What the last of an instruction says. */
export function lastOf(folder: string, instruction: string): string {
  const rest = instructionsOf(folder).filter(([name]) => name === instruction).pop()?.[1];
  if (rest === undefined) throw new Error(`${folder}/Dockerfile has no ${instruction}`);
  return rest;
}

/** The instructions of the last stage: what the image has. */
export function imageOf(folder: string): [instruction: string, rest: string][] {
  const all = instructionsOf(folder);
  return all.slice(all.map(([name]) => name).lastIndexOf('FROM') + 1);
}

/** The arguments that Node.js is given by what is written in the form of JSON. */
export function nodeArgs(text: string): string[] {
  const [program, ...args] = JSON.parse(text.slice(text.indexOf('['))) as string[];
  if (program !== 'node') throw new Error(`it runs ${program}, not node`);
  return args;
}
