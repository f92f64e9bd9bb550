import { MemoryJournal, MemoryStore } from '../../lib/journal/memory/memory-journal.ts';
import { describeJournal } from './contract.ts';

let store = new MemoryStore();

describeJournal('memory', {
  async open(retainedRuns) {
    store = new MemoryStore();
    return new MemoryJournal(store, { retainedRuns });
  },
  again: async () => new MemoryJournal(store),
  kill: (journal) => journal.close(),
  clean: async () => {},
});
