/** What the demo's agents and its person say. */
export const ADA = 'ada';
export const BOB = 'bob';

/** Agent turns without a person before the guard holds the conversation: in the demo, soon. */
export const DEMO_TURNS = 8;

export const TASK = '@ada Please find a name for our tea shop, together with bob.';
export const CLOSING = 'Settled, then. Well done, both of you!';

const LINES: Readonly<Record<string, readonly string[]>> = {
  [ADA]: [
    '@bob We are to name a tea shop. My first idea: "Leaf It to Me".',
    '@bob That one is good. Is it too clever, though?',
    '@bob Agreed, we take it. Thank you!',
    '@bob The pleasure was all mine.',
    '@bob Mine, truly. Thanks again!',
  ],
  [BOB]: [
    '@ada There is a shop of that name round the corner. "Steep Learning Curve"?',
    '@ada It will not be after the second cup. Shall we?',
    '@ada Thank you! It was a pleasure.',
    '@ada No, no: mine! Thank you.',
    '@ada You are too kind. Thank you!',
  ],
};

export const linesOf = (agent: string): readonly string[] => LINES[agent] ?? [];
