/** YAML files, and the choice between YAML and JSON by the file's name. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { ConfigError, type Path } from './issues.ts';
import { jsonSource, readText, type Source } from './source.ts';

/** Reads a file: JSON when its name ends in `.json`, else YAML. Throws a ConfigError. */
export function readSource(file: string, shown: string = file): Source {
  const text = readText(file);
  return file.endsWith('.json') ? jsonSource(shown, text) : yamlSource(shown, text);
}

/** Parses YAML 1.2 text. Throws a ConfigError with every syntax mistake and its place. */
export function yamlSource(file: string, text: string): Source {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  if (doc.errors.length > 0) {
    throw new ConfigError(
      doc.errors.map((error) => {
        const { line, col } = lines.linePos(error.pos[0]);
        const tab = error.code === 'TAB_AS_INDENT' ? { fix: 'indent with spaces' } : {};
        const problem =
          error.code === 'MULTIPLE_DOCS'
            ? 'holds several YAML documents (a line --- begins another); keep one'
            : `not YAML: ${error.message}`;
        return { file, line, column: col, key: '', problem, ...tab };
      }),
    );
  }
  let value: unknown;
  try {
    value = doc.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new ConfigError([{ file, key: '', problem: `not YAML: ${(error as Error).message}` }]);
  }
  return {
    file,
    value,
    locate(path, what) {
      const offset = locateYaml(doc, path, what);
      if (offset === undefined) return undefined;
      const { line, col } = lines.linePos(offset);
      return { line, column: col };
    },
  };
}

function locateYaml(doc: Document.Parsed, path: Path, what: 'key' | 'value'): number | undefined {
  let node: unknown = doc.contents;
  let offset: number | undefined = doc.contents?.range?.[0];
  for (const [index, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(doc);
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => (isScalar(item.key) ? String(item.key.value) : '') === String(step),
      );
      if (pair && what === 'key' && index === path.length - 1) return (pair.key as Node).range?.[0];
      next = pair?.value;
      if (pair && !(next as Node | null)?.range) return (pair.key as Node).range?.[0];
    } else if (isSeq(node)) next = node.items[Number(step)];
    // What is missing is shown at what should hold it.
    if (next === undefined || next === null) return offset;
    node = next;
    offset = (next as Node).range?.[0] ?? offset;
  }
  return offset;
}
