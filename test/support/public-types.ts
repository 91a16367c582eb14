import ts from 'typescript';

/** What a module exports. */
export interface Exported {
  names: string[];
  /** Each type, with its members: `name`, `name?` where it may be left out, `name()` of a method. */
  types: Record<string, string[]>;
}

/** What each module exports, by TypeScript's own account: for `export =`, what hangs on it as a type or as a value. */
export function exportsOf(...files: string[]): Exported[] {
  const program = ts.createProgram(files, {
    module: ts.ModuleKind.Node16, target: ts.ScriptTarget.ES2022, types: ['node'], strict: true, exactOptionalPropertyTypes: true,
  });
  const checker = program.getTypeChecker();
  return files.map((file) => {
    const source = program.getSourceFile(file);
    const symbol = source && checker.getSymbolAtLocation(source);
    if (!symbol) throw new Error(`${file} is no module`);
    const symbols = checker.getExportsOfModule(symbol).filter(({ name }) => name !== 'default' && name !== 'prototype')
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const types = symbols.filter(({ flags }) => flags & ts.SymbolFlags.Type)
      .map((each): [string, string[]] => [each.name, membersOf(checker.getDeclaredTypeOfSymbol(each), checker)]);
    return { names: symbols.map(({ name }) => name), types: Object.fromEntries(types) };
  });
}

function membersOf(type: ts.Type, checker: ts.TypeChecker): string[] {
  const isPlain = type.isUnion() && type.types.every((each) => each.isLiteral());
  const members = isPlain || type.getCallSignatures().length > 0 ? [] : checker.getPropertiesOfType(type);
  if (members.length === 0) return textsOf(type, checker);
  return members.filter((member) => isOurs(member, type, checker)).map((member) => memberOf(member, checker)).sort();
}

/** What a class has from Node.js is Node's to change, and what is internal stands in no declaration. */
function isOurs(member: ts.Symbol, type: ts.Type, checker: ts.TypeChecker): boolean {
  const declarations = member.getDeclarations() ?? [];
  if (member.getJsDocTags(checker).some(({ name }) => name === 'internal') || declarations.some(isPrivate)) return false;
  return !type.isClass() || declarations.some((each) => each.getSourceFile().fileName.includes('/src/'));
}

function isPrivate(declared: ts.Declaration): boolean {
  const name = ts.getNameOfDeclaration(declared);
  return name !== undefined && ts.isPrivateIdentifier(name);
}

function textsOf(type: ts.Type, checker: ts.TypeChecker): string[] {
  const text = (each: ts.Type): string => checker.typeToString(each, undefined, ts.TypeFormatFlags.InTypeAlias);
  return (type.isUnion() ? type.types : [type]).map(text).sort();
}

function memberOf(member: ts.Symbol, checker: ts.TypeChecker): string {
  const type = checker.getTypeOfSymbol(member);
  // The arguments of an event, whose order is what listeners depend on.
  if (checker.isTupleType(type)) return `${member.name} ${checker.typeToString(type)}`;
  const mark = member.flags & ts.SymbolFlags.Optional ? '?' : '';
  // Behind the name of a symbol stands a number that TypeScript has counted: it changes with any file.
  const name = member.name.replace(/^__@(\w+)@\d+$/, '[Symbol.$1]');
  return `${name}${mark}${member.flags & ts.SymbolFlags.Method ? '()' : ''}`;
}
