import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A block of code in a document. */
export interface Block {
  section: string;
  part: string;
  language: string;
  text: string;
  /** The paragraph before it says "not run". */
  notRun: boolean;
}

/** All blocks of a document that name their language. */
export function blocksOf(document: string): Block[] {
  const markdown = readFileSync(join(__dirname, '../..', document), 'utf8');
  const found: Block[] = [];
  let [section, part, said] = ['', '', ''];
  let block: Block | undefined;
  for (const line of markdown.split('\n')) {
    if (block) {
      if (line === '```') block = undefined;
      else block.text += `${line}\n`;
    } else if (line.startsWith('```')) {
      block = { section, part, language: line.slice(3), text: '', notRun: /\*not run\*/i.test(said) };
      if (block.language !== '') found.push(block);
    } else if (line.startsWith('## ')) [section, part, said] = [line.slice(3), '', ''];
    else if (line.startsWith('### ')) [part, said] = [line.slice(4), ''];
    // What is said of a block is the paragraph before it.
    else if (line !== '') said = said.endsWith('\n\n') ? line : `${said} ${line}`;
    else said += '\n\n';
  }
  return found;
}

