/** Reads a wake text back: what a careful reader takes it to say, by its shape alone. */
export interface ReadPart {
  kind: string;
  name?: string;
  type?: string;
  url?: string;
  data?: unknown;
  text?: string;
}
export interface ReadMessage {
  number: number;
  count: number;
  /** `@bob`, `@net:gamma`, `ann`, or a text that is no id. */
  sender: string;
  type: string;
  name?: string;
  time: string;
  mentioned: boolean;
  id: string;
  cut: boolean;
  parts: ReadPart[];
}
export interface ReadWake {
  count: number;
  agent: string;
  place: string;
  network: string;
  hidden: number;
  again: boolean;
  messages: ReadMessage[];
  /** Lines that are neither. */
  rest: string[];
}

const QUOTED = '"(?:[^"]*)"';
const TOKEN = `(?:${QUOTED}|@?[A-Za-z0-9][A-Za-z0-9._:-]*)`;
const HEADER = new RegExp(
  `^\\[(\\d+)/(\\d+)\\] from (@?${QUOTED}|${TOKEN}) \\((person|agent|system|of type ${QUOTED})(?:, (${QUOTED}))?\\), (.+?)(, mentions you)?, id (${TOKEN})$`,
);
const FIRST = /^Moltnet: (\d+) new (?:direct )?messages? for you, @(\S+), in (.+) \(network (\S+)\)\.$/;

/** Throws when it is not a wake text. */
export function readWakeText(text: string): ReadWake {
  const lines = text.split('\n');
  const first = FIRST.exec(lines[0] ?? '');
  if (!first) throw new Error(`not a first line: ${lines[0]}`);
  const wake: ReadWake = {
    count: Number(first[1]),
    agent: first[2]!,
    place: first[3]!,
    network: first[4]!,
    hidden: 0,
    again: false,
    messages: [],
    rest: [],
  };
  let message: ReadMessage | undefined;
  for (const line of lines.slice(1)) {
    const header = HEADER.exec(line);
    if (line.startsWith('> ')) {
      if (!message) throw new Error(`a quoted line before any message: ${line}`);
      let part = message.parts.at(-1);
      if (!part) message.parts.push((part = { kind: 'text' }));
      part.text = part.text === undefined ? decode(line.slice(2)) : `${part.text}\n${decode(line.slice(2))}`;
    } else if (line.startsWith('+ ')) {
      if (!message) throw new Error(`a part before any message: ${line}`);
      message.parts.push(readPart(line));
    } else if (header) {
      message = {
        number: Number(header[1]),
        count: Number(header[2]),
        sender: unquote(header[3]!),
        type: header[4]!,
        ...(header[5] === undefined ? {} : { name: unquote(header[5]) }),
        time: header[6]!,
        mentioned: header[7] !== undefined,
        id: unquote(header[8]!),
        cut: false,
        parts: [],
      };
      wake.messages.push(message);
    } else if (message && line.startsWith('(cut here')) message.cut = true;
    else {
      if (/^\d+ older/.test(line)) wake.hidden = Number(/^\d+/.exec(line)![0]);
      if (line.startsWith('This wake was begun before')) wake.again = true;
      wake.rest.push(line);
    }
  }
  return wake;
}

function readPart(line: string): ReadPart {
  const match = new RegExp(
    `^\\+ (${TOKEN})(?: name=(${QUOTED}))?(?: type=(${QUOTED}))?(?: url=(${QUOTED}))?(?: data=(.*))?$`,
  ).exec(line);
  if (!match) throw new Error(`not a part: ${line}`);
  const [, kind, name, type, url, data] = match;
  return {
    kind: unquote(kind!),
    ...(name === undefined ? {} : { name: unquote(name) }),
    ...(type === undefined ? {} : { type: unquote(type) }),
    ...(url === undefined ? {} : { url: unquote(url) }),
    ...(data === undefined
      ? {}
      : { data: data.startsWith('(') ? data : (JSON.parse(decode(data)) as unknown) }),
  };
}

const unquote = (text: string): string => (text.startsWith('"') ? decode(text.slice(1, -1)) : text);
const decode = (text: string): string =>
  text.replace(/<U\+([0-9A-F]{4,6})>/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)));
