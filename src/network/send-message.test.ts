import { describe, expect, it } from 'vitest';
import { codeOf, openLab, requestOf, sendRequest, text, type Lab } from '../../test/support/network-lab.ts';
import { artifactId, dmIdOf, messageEventId } from '../protocol/ids.ts';
import { limits } from '../protocol/limits.ts';
import { anyone } from './identity.ts';

const nested = (levels: number): Record<string, unknown> =>
  levels === 1 ? { leaf: 1 } : { in: nested(levels - 1) };
const raw = (lab: Lab, request: object) => lab.execute('message.send', { request: requestOf(request) });

/** Code and text of a refusal. */
const outcomeOf = (sent: Promise<unknown>, id: string): Promise<string[]> =>
  sent.then(
    () => ['accepted'],
    (error: Error & { code: string }) => [error.code, error.message.replaceAll(id, 'ID')],
  );

describe('a message', () => {
  it('MSG-1 is stored as it is answered, in the wire’s field order, and told once', async () => {
    const lab = await openLab({ clock: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) });
    const mark = lab.events.length;
    const accepted = await lab.send('human:ana', 'room: general ', {
      id: ' m1 ',
      from: { type: 'human', id: ' ana ', name: ' Ana ' },
    });
    expect(accepted).toEqual({
      message_id: 'm1',
      event_id: messageEventId('m1'),
      accepted: true,
      thread_created: false,
      dm_created: false,
    });
    const [event] = lab.events.slice(mark);
    expect(event).toMatchObject({
      id: accepted.event_id,
      type: 'message.created',
      conversation: 'room:general',
      room_id: 'general',
      held: false,
    });
    expect(event!.payload).toBe(
      '{"id":"m1","network_id":"local","origin":{"network_id":"local","message_id":"m1"},"target":{"kind":"room","room_id":"general"},' +
        '"from":{"type":"human","id":"ana","name":"Ana","network_id":"local","fqid":"molt://local/agents/ana"},' +
        '"parts":[{"kind":"text","text":"hi"}],"created_at":"2026-01-02T03:04:05.006Z"}',
    );
    expect(lab.typesSince(mark)).toEqual(['message.created']);
    expect((await lab.store.messagePage('room:general', { limit: 10 })).rows.map((row) => row.id)).toEqual([
      'm1',
    ]);
  });

  it('MSG-2 is from whom the network knows, not from whom it claims', async () => {
    const lab = await openLab();
    await lab.register('alpha', 'Alpha of the lab');
    const claims = {
      type: 'agent',
      id: 'molt://local/agents/alpha',
      name: 'The operator',
      fqid: 'molt://local/agents/omega',
      network_id: 'local',
    };
    await raw(lab, {
      id: 'm1',
      from: claims,
      target: { kind: 'room', room_id: 'general' },
      parts: text('hi'),
    });
    expect((await lab.message('m1')).from).toEqual({
      type: 'agent',
      id: 'alpha',
      name: 'Alpha of the lab',
      network_id: 'local',
      fqid: 'molt://local/agents/alpha',
    });
    await raw(lab, {
      id: 'm2',
      from: { type: 'agent', id: 'net_b:gamma' },
      target: { kind: 'room', room_id: 'general' },
      parts: text('hi'),
    });
    expect((await lab.message('m2')).from).toEqual({
      type: 'agent',
      id: 'gamma',
      network_id: 'net_b',
      fqid: 'molt://net_b/agents/gamma',
    });
  });

  it('MSG-3 whose sender is neither exactly an agent nor a person is refused', async () => {
    const lab = await openLab();
    for (const type of [undefined, '', 'system', ' human', 'Agent', 'human\n']) {
      expect(
        await codeOf(
          raw(lab, {
            from: { type, id: 'x' },
            target: { kind: 'room', room_id: 'general' },
            parts: text('hi'),
          }),
        ),
      ).toBe('unprocessable_entity');
    }
  });

  it('MSG-4 is refused with a code for each rule it breaks, and leaves nothing', async () => {
    const lab = await openLab();
    const mark = lab.events.length;
    const from = { type: 'agent', id: 'alpha' };
    const target = { kind: 'room', room_id: 'general' };
    const parts = text('hi');
    const part = (fields: object) => ({ from, target, parts: [{ kind: 'file', ...fields }] });
    const lone = String.fromCharCode(0xd800);
    const table: [string, object][] = [
      ['unprocessable_entity', { target, parts }],
      ['invalid_id', { from: { type: 'agent' }, target, parts }],
      ['invalid_id', { from: { type: 'agent', id: 'a b' }, target, parts }],
      ['invalid_id', { from: { type: 'agent', id: 'x'.repeat(129) }, target, parts }],
      ['invalid_id', { from: { type: 'agent', id: 'a', network_id: 'no no' }, target, parts }],
      ['invalid_name', { from: { ...from, name: 'x'.repeat(limits.name.value + 1) }, target, parts }],
      ['invalid_name', { from: { ...from, name: 'a\nb' }, target, parts }],
      ['invalid_text', { from: { ...from, name: lone }, target, parts }],
      ['invalid_part', { from, target }],
      ['invalid_part', { from, target, parts: [] }],
      ['invalid_part', { from, target, parts: [{ kind: ' text ', text: 'hi' }] }],
      ['invalid_part', { from, target, parts: [{ text: 'hi' }] }],
      ['invalid_part', { from, target, parts: [{ kind: 'video' }] }],
      ['invalid_part', part({ url: 'javascript:alert(1)' })],
      ['invalid_part', part({ url: 'http:' })],
      ['invalid_part', part({ url: 'https:///path' })],
      ['invalid_part', part({ url: 'file:///etc/passwd' })],
      ['invalid_part', part({ url: 'relative' })],
      ['invalid_part', part({ url: `https://x/${'y'.repeat(limits.url.value)}` })],
      ['invalid_part', part({ filename: 'x'.repeat(limits.filename.value + 1) })],
      ['invalid_part', part({ filename: 'a\nb' })],
      ['invalid_part', part({ media_type: 'x'.repeat(limits.media_type.value + 1) })],
      ['invalid_text', { from, target, parts: text('a\u0000b') }],
      ['invalid_text', { from, target, parts: text(`a${lone}`) }],
      ['invalid_text', part({ data: { deep: [{ key: `${lone}` }] } })],
      ['invalid_text', part({ data: { deep: [{ ['k\u0000']: 1 }] } })],
      ['invalid_text', part({ url: 'https://x/\u0000' })],
      ['invalid_text', { from, target, parts, mentions: [lone] }],
      ['data_too_deep', part({ data: nested(limits.data_depth.value + 1) })],
      ['text_too_large', { from, target, parts: text('é'.repeat(limits.text.value / 2 + 1)) }],
      [
        'too_many_parts',
        { from, target, parts: Array.from({ length: limits.parts.value + 1 }, () => parts[0]) },
      ],
      [
        'too_many_mentions',
        {
          from,
          target,
          parts,
          mentions: Array.from({ length: limits.mentions.value + 1 }, (_, i) => `a${i}`),
        },
      ],
      [
        'message_too_large',
        {
          from,
          target,
          parts: Array.from({ length: 3 }, () => ({ kind: 'text', text: 'x'.repeat(100 * 1024) })),
        },
      ],
      // Not its text, but what it weighs as JSON.
      ['message_too_large', part({ kind: 'data', data: { log: 'x'.repeat(limits.message.value) } })],
      ['invalid_id', { id: 'a b', from, target, parts }],
      ['invalid_id', { id: 'x'.repeat(129), from, target, parts }],
      ['invalid_id', { from, target, parts, origin: { network_id: 'no no', message_id: 'x' } }],
      ['invalid_target', { from, parts }],
      ['invalid_target', { from, target: { kind: 'Room', room_id: 'general' }, parts }],
      ['invalid_target', { from, target: { kind: 'room', room_id: 'general', dm_id: 'd1' }, parts }],
      ['invalid_target', { from, target: { kind: 'room', room_id: 'general', thread_id: 't1' }, parts }],
      ['invalid_id', { from, target: { kind: 'room' }, parts }],
      ['invalid_id', { from, target: { kind: 'room', room_id: 'no room' }, parts }],
      ['invalid_id', { from, target: { kind: 'thread', room_id: 'general' }, parts }],
      [
        'invalid_id',
        {
          from,
          target: { kind: 'thread', room_id: 'general', thread_id: 't1', parent_message_id: 'a b' },
          parts,
        },
      ],
      ['invalid_target', { from, target: { kind: 'thread', thread_id: 'new' }, parts }],
      ['not_found', { from, target: { kind: 'room', room_id: 'nowhere' }, parts }],
      ['not_found', { from, target: { kind: 'thread', room_id: 'nowhere', thread_id: 't1' }, parts }],
      ['invalid_target', { from, target: { kind: 'dm', dm_id: 'd1' }, parts }],
      ['invalid_target', { from, target: { kind: 'dm' }, parts }],
      [
        'invalid_target',
        { from, target: { kind: 'dm', dm_id: 'd1', participant_ids: ['alpha', 'local:alpha'] }, parts },
      ],
      ['invalid_id', { from, target: { kind: 'dm', dm_id: 'd1', participant_ids: ['alpha', 'b c'] }, parts }],
      [
        'too_many_participants',
        {
          from,
          target: {
            kind: 'dm',
            dm_id: 'd1',
            participant_ids: Array.from({ length: limits.dm_participants.value + 1 }, (_, i) => `a${i}`),
          },
          parts,
        },
      ],
      [
        'not_a_participant',
        { from, target: { kind: 'dm', dm_id: 'd1', participant_ids: ['beta', 'gamma'] }, parts },
      ],
      [
        'reserved_id',
        {
          from,
          target: { kind: 'dm', dm_id: `dm_${'a'.repeat(32)}`, participant_ids: ['alpha', 'beta'] },
          parts,
        },
      ],
    ];
    for (const [code, request] of table)
      expect([code, await codeOf(raw(lab, request)), JSON.stringify(request).slice(0, 200)]).toEqual([
        code,
        code,
        expect.anything(),
      ]);
    expect(lab.events.length).toBe(mark);
  });

  it('MSG-4 with a number that would be stored as null is refused', async () => {
    const lab = await openLab();
    await lab.createRoom({ id: 'ops' });
    const data = JSON.parse('{"a":[{"b":1e999}]}') as Record<string, unknown>;
    expect(await codeOf(lab.send('agent:alpha', 'room:ops', { parts: [{ kind: 'data', data }] }))).toBe(
      'invalid_part',
    );
  });

  it('MSG-4 at each limit is accepted', async () => {
    const lab = await openLab();
    const target = { kind: 'room', room_id: 'general' };
    const from = { type: 'agent', id: 'x'.repeat(128), name: '😀'.repeat(limits.name.value) };
    const good: object[] = [
      { parts: text('x'.repeat(limits.text.value)) },
      { parts: text('') },
      { parts: Array.from({ length: limits.parts.value }, () => ({ kind: 'text', text: 'x' })) },
      { parts: [{ kind: 'data', data: nested(limits.data_depth.value) }] },
      {
        parts: [
          { kind: 'url', url: 'molt://local/rooms/general' },
          { kind: 'url', url: ' https://example.com/a?b#c ' },
        ],
      },
      { id: 'i'.repeat(128), parts: text('x') },
    ];
    for (const request of good) expect(await codeOf(raw(lab, { from, target, ...request }))).toBe('accepted');
  });

  it('MSG-5 of people, and DMs, can be switched off', async () => {
    const lab = await openLab({ settings: { human_ingress: false, direct_messages: false } });
    expect(await codeOf(lab.send('human:ana', 'room:general', 'hi'))).toBe('human_ingress_disabled');
    expect(await codeOf(lab.send('agent:alpha', 'dm:d1@alpha,beta', 'hi'))).toBe('direct_messages_disabled');
    // In the order of checks the switches come before everything else.
    expect(await codeOf(raw(lab, { from: { type: 'human' }, target: { kind: 'dm' } }))).toBe(
      'direct_messages_disabled',
    );
    expect(await codeOf(raw(lab, { from: { type: 'human' } }))).toBe('human_ingress_disabled');
    expect(await codeOf(lab.send('agent:alpha', 'room:general', 'hi'))).toBe('accepted');
  });
});

describe('an id given twice', () => {
  it('MSG-6 with the same content is answered like the first and stored once', async () => {
    const lab = await openLab();
    const message = { id: 'm1', parts: [{ kind: 'data', data: { a: 1, b: [1, 2] } }], mentions: ['beta'] };
    const first = await lab.send('agent:alpha', 'thread:t1@general', message);
    expect(first.thread_created).toBe(true);
    const mark = lab.events.length;
    const reordered = { ...message, parts: [{ kind: 'data', data: { b: [1, 2], a: 1 } }] };
    // Once with the room and once without: the thread's room is known by now.
    for (const target of ['thread:t1@general', 'thread:t1']) {
      expect(await lab.send('agent:local:alpha', target, reordered)).toEqual({
        ...first,
        thread_created: false,
      });
    }
    expect(lab.events.length).toBe(mark);
  });

  it('MSG-7 with other content is a conflict, whatever differs', async () => {
    const lab = await openLab();
    await lab.send('agent:alpha', 'room:general', { id: 'm1', mentions: ['beta'] });
    const others: [string, string, object][] = [
      ['agent:beta', 'room:general', { mentions: ['beta'] }],
      ['human:alpha', 'room:general', { mentions: ['beta'] }],
      ['agent:alpha', 'thread:t@general', { mentions: ['beta'] }],
      ['agent:alpha', 'room:general', { mentions: ['gamma'] }],
      ['agent:alpha', 'room:general', {}],
      ['agent:alpha', 'room:general', { mentions: ['beta'], parts: text('ho') }],
      ['agent:alpha', 'room:general', { mentions: ['beta'], parts: [...text('hi'), ...text('hi')] }],
    ];
    for (const [as, target, body] of others)
      expect(await codeOf(lab.send(as, target, { id: 'm1', ...body }))).toBe('message_id_conflict');
    // An id that the network made is nobody's to repeat.
    const made = await lab.send('agent:alpha', 'room:general', 'hi');
    expect(await codeOf(lab.send('agent:alpha', 'room:general', { id: made.message_id }))).toBe(
      'message_id_conflict',
    );
  });

  it('MSG-6 MSG-7 inside one batch too', async () => {
    const lab = await openLab();
    const mark = lab.events.length;
    const answers = await Promise.all([
      lab.send('agent:alpha', 'dm:@alpha,beta', { id: 'm1' }),
      lab.send('agent:alpha', 'dm:@beta,alpha', { id: 'm1' }),
      codeOf(lab.send('agent:alpha', 'dm:@alpha,beta', { id: 'm1', parts: text('other') })),
    ]);
    expect(answers[0].dm_created).toBe(true);
    expect(answers[1]).toEqual({ ...answers[0], dm_created: false });
    expect(answers[2]).toBe('message_id_conflict');
    expect(lab.typesSince(mark)).toEqual(['dm.created', 'message.created']);
  });
});

describe('a thread', () => {
  it('MSG-8 is announced before its first message and keeps its room and parent', async () => {
    const lab = await openLab();
    await lab.createRoom({ id: 'side' });
    const mark = lab.events.length;
    await raw(lab, {
      id: 'm1',
      from: { type: 'agent', id: 'alpha' },
      target: { kind: 'thread', thread_id: 't1', room_id: 'general', parent_message_id: 'p1' },
      parts: text('hi'),
    });
    expect(lab.typesSince(mark)).toEqual(['thread.created', 'message.created']);
    const created = lab.events[mark]!;
    expect(created).toMatchObject({ room_id: 'general', conversation: 'thread:t1' });
    expect(JSON.parse(created.payload)).toEqual({
      id: 't1',
      network_id: 'local',
      fqid: 'molt://local/threads/t1',
      room_id: 'general',
      parent_message_id: 'p1',
      message_count: 1,
      last_message_at: created.created_at,
    });
    await lab.send('agent:beta', 'thread:t1', { id: 'm2' });
    expect((await lab.message('m2')).target).toEqual({ kind: 'thread', room_id: 'general', thread_id: 't1' });
    const elsewhere = await lab.send('agent:beta', 'thread:t1@side', 'hi').catch((error: Error) => error);
    expect(elsewhere).toMatchObject({ code: 'thread_room_mismatch' });
    // Who may not read that room does not learn of it.
    expect((elsewhere as Error).message).not.toContain('general');
    expect((await lab.store.conversations(['thread:t1'])).get('thread:t1')).toMatchObject({
      message_count: 2,
      parent_message_id: 'p1',
      room_id: 'general',
    });
  });

  it('MSG-8 of a removed room takes no messages', async () => {
    const lab = await openLab();
    await lab.send('agent:alpha', 'thread:t1@general', 'hi');
    await lab.execute('room.remove', { room_id: 'general' });
    expect(await codeOf(lab.send('agent:alpha', 'thread:t1', 'hi'))).toBe('not_found');
  });
});

describe('a DM', () => {
  it('MSG-9 has the participants of its first message, in canonical form, for good', async () => {
    const lab = await openLab();
    const mark = lab.events.length;
    await lab.send('agent:alpha', 'dm:d1@molt://local/agents/beta,net_b:gamma,local:alpha,beta', {
      id: 'm1',
    });
    expect(lab.typesSince(mark)).toEqual(['dm.created', 'message.created']);
    for (const event of lab.events.slice(mark)) {
      expect(event).toMatchObject({
        conversation: 'dm:d1',
        dm_id: 'd1',
        participants: ['alpha', 'beta', 'net_b:gamma'],
      });
      expect(event.room_id).toBeUndefined();
    }
    expect((await lab.message('m1')).target).toEqual({
      kind: 'dm',
      dm_id: 'd1',
      participant_ids: ['alpha', 'beta', 'net_b:gamma'],
    });
    expect(await codeOf(lab.send('agent:beta', 'dm:d1', 'hi'))).toBe('accepted');
    expect(await codeOf(lab.send('agent:net_b:gamma', 'dm:d1@beta,alpha,net_b:gamma', 'hi'))).toBe(
      'accepted',
    );
    expect(await codeOf(lab.send('agent:alpha', 'dm:d1@alpha,beta', 'hi'))).toBe('dm_participants_mismatch');
    expect(await codeOf(lab.send('agent:delta', 'dm:d1@alpha,beta,net_b:gamma,delta', 'hi'))).toBe(
      'dm_participants_mismatch',
    );
  });

  it('MSG-10 is written to by its participants only', async () => {
    const lab = await openLab();
    await lab.send('agent:alpha', 'dm:d1@alpha,beta', 'hi');
    for (const as of ['agent:gamma', 'human:ana', 'agent:net_b:alpha'])
      expect(await codeOf(lab.send(as, 'dm:d1', 'hi'))).toBe('not_a_participant');
  });

  it('MSG-11 without an id is the one DM of its participants, and that id is reserved for them', async () => {
    const lab = await openLab();
    const id = dmIdOf(['alpha', 'beta'], 'local');
    await lab.send('agent:alpha', 'dm:@beta,alpha', { id: 'm1' });
    expect((await lab.message('m1')).target).toEqual({
      kind: 'dm',
      dm_id: id,
      participant_ids: ['alpha', 'beta'],
    });
    expect(await lab.send('agent:beta', 'dm:@alpha,local:beta', 'hi')).toMatchObject({ dm_created: false });
    expect(await codeOf(lab.send('agent:beta', `dm:${id}`, 'hi'))).toBe('accepted');
    const other = dmIdOf(['alpha', 'gamma'], 'local');
    expect(await codeOf(lab.send('agent:alpha', `dm:${other}@alpha,beta`, 'hi'))).toBe('reserved_id');
    expect(await codeOf(lab.send('agent:alpha', `dm:${other}@gamma,alpha`, 'hi'))).toBe('accepted');
  });

  it('MSG-11 whether two others have a DM is not learned by writing to its id', async () => {
    const lab = await openLab();
    const answersTo = async (id: string) => [
      await outcomeOf(lab.send('agent:eve', `dm:${id}`, 'hi'), id),
      await outcomeOf(lab.send('agent:eve', `dm:${id}@alpha,beta`, 'hi'), id),
      await outcomeOf(lab.send('agent:eve', `dm:${id}@alpha,eve`, 'hi'), id),
    ];
    const id = dmIdOf(['alpha', 'beta'], 'local');
    const before = await answersTo(id);
    await lab.send('agent:alpha', 'dm:@beta,alpha', 'hi');
    expect(await answersTo(id)).toEqual(before);
    expect(before.map(([code]) => code)).toEqual(['invalid_target', 'not_a_participant', 'reserved_id']);
  });

  it('MSG-9 is the same after a restart, when its row comes from storage', async () => {
    const lab = await openLab();
    await lab.send('agent:alpha', 'dm:d1@alpha,beta', 'hi');
    const first = (await lab.store.conversations(['dm:d1'])).get('dm:d1')!;
    await lab.network.close();
    const again = await openLab({ store: lab.store });
    expect(await codeOf(again.send('agent:alpha', 'dm:d1@alpha,gamma', 'hi'))).toBe(
      'dm_participants_mismatch',
    );
    expect(await again.send('agent:beta', 'dm:d1', 'hi')).toMatchObject({ dm_created: false });
    const row = (await lab.store.conversations(['dm:d1'])).get('dm:d1')!;
    expect(row).toMatchObject({
      message_count: 2,
      first_seq: first.first_seq,
      participants: ['alpha', 'beta'],
    });
    expect(again.network.topology.conversation('dm:d1')).toEqual(row);
  });
});

describe('what a message carries', () => {
  it('MSG-12 becomes artifacts, one for each part that is more than text', async () => {
    const lab = await openLab();
    const id = 'm'.repeat(128);
    const parts = [
      { kind: 'text', text: 'plain' },
      { kind: 'text', text: 'named', filename: 'a.txt' },
      { kind: 'image', url: 'https://x.test/a.png', media_type: 'image/png', filename: 'a.png' },
      { kind: 'data', data: { a: 1 } },
    ];
    await lab.send('agent:alpha', 'thread:t1@general', { id, parts });
    const { rows } = await lab.store.artifactPage({ room_id: 'general' }, { limit: 10 });
    expect(rows.map((row) => [row.id, row.part_index])).toEqual([1, 2, 3].map((i) => [artifactId(id, i), i]));
    expect(rows.every((row) => row.id.length <= 128)).toBe(true);
    expect(JSON.parse(rows[1]!.payload)).toEqual({
      id: artifactId(id, 2),
      network_id: 'local',
      fqid: `molt://local/artifacts/${artifactId(id, 2)}`,
      message_id: id,
      target: { kind: 'thread', room_id: 'general', thread_id: 't1' },
      part_index: 2,
      kind: 'image',
      media_type: 'image/png',
      filename: 'a.png',
      url: 'https://x.test/a.png',
      created_at: expect.any(String),
    });
  });

  it('MSG-13 of another network keeps its origin, and its text is not read again', async () => {
    const lab = await openLab();
    await lab.register('beta');
    const origin = { network_id: 'net_b', message_id: 'orig1' };
    await lab.send('agent:net_b:gamma', 'room:general', { id: 'm1', origin, parts: text('hi @beta') });
    expect(await lab.message('m1')).toMatchObject({ network_id: 'local', origin });
    expect((await lab.message('m1')).mentions).toBeUndefined();
    await lab.send('agent:net_b:gamma', 'room:general', {
      id: 'm2',
      origin: { network_id: 'net_b' },
      mentions: ['local:beta'],
    });
    expect(await lab.message('m2')).toMatchObject({
      origin: { network_id: 'net_b', message_id: 'm2' },
      mentions: ['molt://local/agents/beta'],
    });
    // A person of another network needs somebody to vouch for it.
    expect(await codeOf(lab.send('human:net_b:bob', 'room:general', { origin }))).toBe('forbidden');
  });
});

describe('a redaction', () => {
  it('MSG-14 blanks the message everywhere, is told, and may be repeated', async () => {
    const lab = await openLab();
    await lab.register('beta');
    const secret = {
      id: 'm1',
      parts: [...text('@beta the key is hunter2'), { kind: 'file', filename: 'hunter2' }],
    };
    await lab.send('agent:alpha', 'room:general', secret);
    const before = await lab.message('m1');
    const mark = lab.events.length;
    expect(await lab.execute('message.redact', { message_id: ' m1 ' })).toEqual({
      redacted: true,
      message_id: 'm1',
    });
    expect(lab.typesSince(mark)).toEqual(['message.redacted']);
    expect(JSON.parse(lab.events[mark]!.payload)).toEqual({ message_id: 'm1', target: before.target });
    const { mentions: _, ...rest } = before;
    expect(await lab.message('m1')).toEqual({
      ...rest,
      parts: text('[redacted]'),
      redacted_at: lab.events[mark]!.created_at,
    });
    expect((await lab.store.artifactPage({ room_id: 'general' }, { limit: 10 })).rows).toEqual([]);
    expect(await lab.store.mentionsAfter('beta', undefined, 0, 10)).toEqual([]);
    const log = await lab.store.events({ all: true }, 0, 500);
    expect(JSON.stringify(log)).not.toContain('hunter2');

    expect(await lab.execute('message.redact', { message_id: 'm1' })).toEqual({
      redacted: true,
      message_id: 'm1',
    });
    expect(lab.events.length).toBe(mark + 1);
    expect(await codeOf(lab.execute('message.redact', { message_id: 'nope' }))).toBe('not_found');
    expect(await codeOf(lab.execute('message.redact', { message_id: 'no pe' }))).toBe('not_found');
  });

  it('MSG-14 leaves the id answered as accepted, with no content to compare', async () => {
    const lab = await openLab();
    const first = await lab.send('agent:alpha', 'dm:@alpha,beta', { id: 'm1' });
    await lab.execute('message.redact', { message_id: 'm1' });
    expect(lab.events.at(-1)).toMatchObject({ type: 'message.redacted', participants: ['alpha', 'beta'] });
    for (const body of ['hi', 'something else']) {
      expect(await lab.send('agent:alpha', 'dm:@alpha,beta', { id: 'm1', parts: text(body) })).toEqual({
        ...first,
        dm_created: false,
      });
    }
  });

  it('MSG-14 of a message of the same batch', async () => {
    const lab = await openLab();
    const [, redacted, again] = await Promise.all([
      lab.send('agent:alpha', 'room:general', { id: 'm1', parts: text('hunter2') }),
      lab.execute('message.redact', { message_id: 'm1' }),
      lab.send('agent:alpha', 'room:general', { id: 'm1', parts: text('changed') }),
    ]);
    expect([redacted.redacted, again.accepted]).toEqual([true, true]);
    expect((await lab.message('m1')).parts).toEqual(text('[redacted]'));
  });
});

it('MSG-15 one bad message harms no neighbour of its batch', async () => {
  const lab = await openLab();
  const codes = await Promise.all([
    codeOf(lab.send('agent:alpha', 'room:general', { id: 'm1' })),
    codeOf(lab.send('agent:alpha', 'room:general', { parts: text('\u0000') })),
    codeOf(lab.send('agent:alpha', 'room:nowhere', 'hi')),
    codeOf(
      lab.network.execute(
        'message.send',
        { request: sendRequest('agent:alpha', 'room:general', { id: 'm2' }) },
        anyone,
      ),
    ),
  ]);
  expect(codes).toEqual(['accepted', 'invalid_text', 'not_found', 'accepted']);
  expect((await lab.store.messagePage('room:general', { limit: 10 })).rows.map((row) => row.id)).toEqual([
    'm1',
    'm2',
  ]);
});
