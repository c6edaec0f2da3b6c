/**
 * What every storage engine does, as tests over a factory: `describe('…', () => storeContract(open))`. Engines differ
 * in nothing that these see; what is special to one stands in its own test.
 */
import { describe } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { commitContract } from './store-commit.ts';
import { credentialsContract } from './store-credentials.ts';
import { deliveryContract } from './store-delivery.ts';
import { historyContract } from './store-history.ts';
import { pairingContract } from './store-pairing.ts';
import { peersContract } from './store-peers.ts';
import { logContract } from './store-log.ts';
import { retentionContract } from './store-retention.ts';
import { searchContract } from './store-search.ts';
import { wakesContract } from './store-wakes.ts';

export interface StoreFactory {
  /** A fresh, empty store of the network `local`; closed and removed when the test ends. */
  open(): Promise<Store>;
  /** Closes it and opens what it kept. Absent for an engine that keeps nothing. */
  reopen?(store: Store): Promise<Store>;
  /** Another server on the same database. Absent for an engine that has one server. */
  another?(store: Store): Promise<Store>;
}

export function storeContract(factory: StoreFactory): void {
  describe('commits', () => commitContract(factory));
  describe('history', () => historyContract(factory));
  describe('the log', () => logContract(factory));
  describe('credentials', () => credentialsContract(factory));
  describe('delivery state', () => deliveryContract(factory));
  describe('wakes and usage', () => wakesContract(factory));
  describe('servers on one database', () => peersContract(factory));
  describe('retention', () => retentionContract(factory));
  describe('search', () => searchContract(factory));
  describe('pairings', () => pairingContract(factory));
}
