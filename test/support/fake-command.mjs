#!/usr/bin/env node
// Stands for any program that is run once for each wake: the prompt on stdin, how it went by its exit code.
import { readFileSync } from 'node:fs';
import { directives, ended, play } from './fake-cli.mjs';

const prompt = readFileSync(0, 'utf8');
await play(prompt, {});
const http = directives(prompt).find(({ name }) => name === 'http');
if (http) process.exit(http.value === '401' ? 77 : 69);
ended();
