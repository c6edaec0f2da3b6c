/** The parts of a message, checked and in the form in which they are stored (wire.md 4.2). */
import { MoltnetError } from '../protocol/errors.ts';
import { limits, type LimitName } from '../protocol/limits.ts';
import { PART_KINDS, type Part, type SendMessageRequest } from '../protocol/messages.ts';
import { requireText } from '../protocol/text.ts';

/** A part without its empty fields. */
export type CheckedPart = Omit<Part, 'data'> & { data?: Record<string, unknown> };

const KINDS: ReadonlySet<string> = new Set(PART_KINDS);
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;

/** Each with the fields in the order of the wire and without empty ones. Throws MoltnetError. */
export function checkParts(parts: SendMessageRequest['parts']): CheckedPart[] {
  if (!parts || parts.length === 0)
    throw new MoltnetError('invalid_part', 'parts: a message needs at least one part');
  if (parts.length > limits.parts.value)
    throw new MoltnetError('too_many_parts', `parts: ${parts.length}, at most ${limits.parts.value}`);
  return parts.map((part, i) => checkPart(part, `parts[${i}]`));
}

/** Is it only text: no artifact is made of it. */
export function isPlainText(part: CheckedPart): boolean {
  return (
    part.kind === 'text' &&
    part.url === undefined &&
    part.filename === undefined &&
    part.media_type === undefined
  );
}

type PartRequest = NonNullable<SendMessageRequest['parts']>[number];

function checkPart(part: PartRequest, field: string): CheckedPart {
  const kind = part.kind ?? '';
  if (!KINDS.has(kind)) {
    throw new MoltnetError(
      'invalid_part',
      `${field}.kind: must be one of ${PART_KINDS.join(', ')}, not ${JSON.stringify(kind.slice(0, 40))}`,
    );
  }
  const checked: CheckedPart = { kind };
  if (part.text) checked.text = checkText(part.text, `${field}.text`);
  if (part.media_type) setLine(checked, 'media_type', part.media_type, field);
  if (part.url) setUrl(checked, part.url, `${field}.url`);
  if (part.filename) setLine(checked, 'filename', part.filename, field);
  if (part.data && Object.keys(part.data).length > 0) {
    checkData(part.data, `${field}.data`, 1);
    checked.data = part.data;
  }
  return checked;
}

function checkText(text: string, field: string): string {
  const max = limits.text.value;
  // A UTF-16 unit is at most 3 bytes of UTF-8, so short texts need no count.
  if (text.length * 3 > max && Buffer.byteLength(text) > max) {
    throw new MoltnetError(
      'text_too_large',
      `${field}: ${Buffer.byteLength(text)} bytes, at most ${max}; send a url, or several messages`,
    );
  }
  return requireText(text, field);
}

function setLine(checked: CheckedPart, name: 'media_type' | 'filename', value: string, field: string): void {
  const line = requireText(value, `${field}.${name}`).trim();
  if (CONTROL.test(line))
    throw new MoltnetError('invalid_part', `${field}.${name}: holds a control character`);
  atMost(line, name, `${field}.${name}`);
  if (line !== '') checked[name] = line;
}

function setUrl(checked: CheckedPart, value: string, field: string): void {
  const url = requireText(value, field).trim();
  if (url === '') return;
  atMost(url, 'url', field);
  if (!/^(?:https?:\/\/[^/?#\\]|molt:)/i.test(url) || !URL.canParse(url)) {
    throw new MoltnetError('invalid_part', `${field}: must be an http, https or molt URL`);
  }
  checked.url = url;
}

function atMost(value: string, limit: LimitName & ('url' | 'filename' | 'media_type'), field: string): void {
  const max = limits[limit].value;
  if (Buffer.byteLength(value) > max)
    throw new MoltnetError('invalid_part', `${field}: longer than ${max} bytes`);
}

/** Depth first, and no deeper than the limit: keys and strings are storable text. */
function checkData(value: unknown, field: string, depth: number): void {
  if (typeof value === 'string') {
    requireText(value, field);
    return;
  }
  // Read from a number too large for JSON's readers, and would be stored as null.
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new MoltnetError('invalid_part', `${field}: a number is too large; send it as a string`);
  if (typeof value !== 'object' || value === null) return;
  if (depth > limits.data_depth.value)
    throw new MoltnetError(
      'data_too_deep',
      `${field}: nested more than ${limits.data_depth.value} levels deep`,
    );
  if (Array.isArray(value)) {
    for (const item of value) checkData(item, field, depth + 1);
    return;
  }
  for (const [key, item] of Object.entries(value)) {
    requireText(key, `${field}: a key`);
    checkData(item, field, depth + 1);
  }
}

/** JSON with the keys of objects sorted: the same content gives the same text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, item]) => item !== undefined);
    return `{${fields
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`)
      .join(',')}}`;
  }
  return JSON.stringify(value);
}
