// Tells Stryker to leave calls of `debug(...)` as they are, and blocks and arrow functions that do nothing else: what they
// write is for people to read, and no test holds it.
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin';

const REASON = 'It only writes debug output.';

function isDebug(node) {
  if (node.type === 'ExpressionStatement') return isDebug(node.expression);
  return node.type === 'CallExpression' && node.callee.type === 'Identifier' && node.callee.name === 'debug';
}

function onlyDebugs(node) {
  if (node.type === 'BlockStatement') return node.body.length > 0 && node.body.every(isDebug);
  return isDebug(node.type === 'ArrowFunctionExpression' ? node.body : node);
}

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, 'debug', { shouldIgnore: ({ node }) => onlyDebugs(node) ? REASON : undefined }),
];
