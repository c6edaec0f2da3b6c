import { expect, it } from 'vitest';
import { parseFrame } from './frames.ts';

it.each([
  '{"op":"ACK","version":"moltnet.attach.v1","capabilities":{},"cursor":"evt_1"}',
  '{"op":"ACK","version":"moltnet.attach.v1","capabilities":{},"cursor":"evt_1"}\n',
  '{"op":"ACK","version":"moltnet.attach.v1","capabilities":{},"cursor":""}',
  '{"op":"ACK","version":"moltnet.attach.v1","capabilities":{},"cursor":"a\\"b"}',
  '{"op":"ACK","version":"moltnet.attach.v2","capabilities":{},"cursor":"evt_1"}',
  '{"op":"ACK","version":"moltnet.attach.v1","capabilities":{},"cursor":"evt_1","wake_id":"w"}',
  '{"cursor":"evt_1","op":"ACK"}',
])('ATT-6 an ACK is what JSON says it is, however it is written: %s', (text) => {
  expect(parseFrame(Buffer.from(text))).toEqual(JSON.parse(text));
});
