// Loaded before a server (node --import): its clock is off by MOLTNET_TEST_SKEW milliseconds.
const by = Number(process.env.MOLTNET_TEST_SKEW ?? 0);
const Real = Date;
globalThis.Date = class Date extends Real {
  constructor(...given) {
    if (given.length === 0) super(Real.now() + by);
    else super(...given);
  }
  static now() {
    return Real.now() + by;
  }
};
