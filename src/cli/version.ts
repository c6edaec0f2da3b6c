import manifest from '../../package.json' with { type: 'json' };

/** Of the package, as it stands in package.json. */
export const VERSION: string = manifest.version;
