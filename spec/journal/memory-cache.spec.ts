import { MemoryCache } from '../../lib/journal/memory/memory-cache.ts';
import { describeCache } from './cache-contract.ts';

describeCache('memory', { open: async (maxBytes) => new MemoryCache(maxBytes), clean: async () => {} });
