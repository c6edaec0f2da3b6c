import { expect, it } from 'vitest';
import type { Message } from '../../protocol/messages.ts';
import { ADA, BOB, DEMO_TURNS, linesOf } from './script.ts';
import { answer } from './scripted-agent.ts';

const message = (type: string, id: string, mentions: string[] = [], kind = 'room'): Message => ({
  id: 'm',
  network_id: 'demo',
  origin: { network_id: 'demo', message_id: 'm' },
  target: { kind },
  from: { type, id },
  parts: [],
  mentions: mentions.map((agent) => `molt://demo/agents/${agent}`),
  created_at: '',
});
const task = message('human', 'operator', [ADA]);

it('CLI-50 the script has more turns than the guard lets pass', () => {
  expect(linesOf(ADA).length + linesOf(BOB).length).toBeGreaterThan(DEMO_TURNS);
});

it('CLI-50 says its lines one after the other, then nothing', () => {
  const history = [task];
  for (const line of linesOf(ADA)) {
    expect(answer(ADA, history)).toBe(line);
    history.push(message('agent', ADA));
  }
  expect(answer(ADA, history)).toBeUndefined();
});

it('CLI-50 is silent once a person has closed the matter, and answers one who asks', () => {
  const closed = [task, message('agent', ADA, [BOB]), message('human', 'operator')];
  expect(answer(BOB, closed)).toBeUndefined();
  const asked = [...closed, message('human', 'anna', [BOB])];
  expect(answer(BOB, asked)).toMatch(/^I am bob/);
  expect(answer(BOB, [...asked, message('agent', BOB)])).toBeUndefined();
  expect(answer(ADA, asked)).toBeUndefined();
});
