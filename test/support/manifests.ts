import { createRequire } from 'node:module';
import { join } from 'node:path';
import ts from 'typescript';

/** What all objects of Kubernetes have. */
export interface AnyManifest {
  apiVersion: string;
  kind: string;
}

interface Model { validate(): void }

const require_ = createRequire(__filename);

/** The package that has a group's schemas: those of the Prometheus operator are not Kubernetes' own. */
function moduleOf(apiVersion: string): string {
  const from = apiVersion.startsWith('monitoring.coreos.com/') ? '@kubernetes-models/prometheus-operator' : 'kubernetes-models';
  return `${from}/${apiVersion}`;
}

/** @throws Error if the manifest does not keep to the schema of its kind, or has none. */
export function validate(manifest: AnyManifest): void {
  const models = require_(moduleOf(manifest.apiVersion)) as Record<string, new (data: object) => Model>;
  const Model = models[manifest.kind];
  if (!Model) throw new Error(`there is no schema of ${manifest.apiVersion} ${manifest.kind}`);
  new Model(manifest).validate();
}

/** What TypeScript says to the manifests as object literals, in which it knows each key that does not belong there. */
export function typeErrors(all: readonly AnyManifest[]): string[] {
  const source = all.map(({ apiVersion, kind, ...rest }, i) => [
    `import type { I${kind} as T${i} } from '${moduleOf(apiVersion)}';`,
    `export const m${i}: T${i} = ${JSON.stringify({ apiVersion, kind, ...rest }, null, 1)};`,
  ].join('\n')).join('\n');
  const file = join(__dirname, 'manifests.generated.ts');
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.Node16, target: ts.ScriptTarget.ES2022, strict: true, skipLibCheck: true, types: [], noEmit: true,
  };
  const host = ts.createCompilerHost(options);
  const program = ts.createProgram([file], options, {
    ...host,
    fileExists: (name) => name === file || host.fileExists(name),
    getSourceFile: (name, ...rest) => (name === file
      ? ts.createSourceFile(name, source, ts.ScriptTarget.ES2022) : host.getSourceFile(name, ...rest)),
  });
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
