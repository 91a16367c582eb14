import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { filesOf, ROOT } from './package';

/** The events that an argument names: itself, or those that the loop around it goes through. */
function eventsOf(event: ts.Node): string[] {
  if (ts.isStringLiteral(event)) return [event.text];
  let around: ts.Node = event;
  while (!ts.isForOfStatement(around) && !ts.isSourceFile(around)) around = around.parent;
  const list = ts.isForOfStatement(around) ? around.expression.getText() : '';
  return Array.from(list.matchAll(/'(\w+)'/g), ([, name = '']) => name);
}

/** Every event of the command's log with its fields, as the code has them. */
export function logEvents(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /(?:\b|#)log\.(?:info|warn|error)$|^tell$/.test(node.expression.getText())) {
      const [event, , fields] = node.arguments;
      const names = fields && ts.isObjectLiteralExpression(fields) ? fields.properties.map((field) => field.name?.getText() ?? '') : [];
      for (const name of event ? eventsOf(event) : []) found.set(name, names);
    }
    ts.forEachChild(node, visit);
  };
  // What the log says of the store and the end is its own.
  for (const file of ['operating/changes.ts', ...filesOf(join(ROOT, 'src/cli')).map((name) => `cli/${name}`)]) {
    visit(ts.createSourceFile(file, readFileSync(join(ROOT, 'src', file), 'utf8'), ts.ScriptTarget.Latest, true));
  }
  return found;
}
