/** Statistics of a text. Threads import this file. */

export interface Readability {
  readonly sentences: number;
  readonly wordsPerSentence: number;
  readonly lettersPerWord: number;
}

export interface Report extends Readability {
  readonly words: number;
  readonly frequent: readonly (readonly [word: string, times: number])[];
}

export function words(text: string): string[] {
  return text.toLowerCase().match(/\p{L}+/gu) ?? [];
}

/** The most frequent words; equally frequent ones in alphabetical order. */
export function frequent(all: readonly string[], most: number): [string, number][] {
  const times = new Map<string, number>();
  for (const word of all) times.set(word, (times.get(word) ?? 0) + 1);
  return [...times].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, most);
}

export function readability(text: string, all: readonly string[]): Readability {
  const sentences = text.split(/[.!?]+/).filter((sentence) => sentence.trim() !== '').length;
  const letters = all.reduce((sum, word) => sum + word.length, 0);
  return {
    sentences,
    wordsPerSentence: all.length / Math.max(1, sentences),
    lettersPerWord: letters / Math.max(1, all.length),
  };
}

export function report(
  all: readonly string[],
  most: readonly (readonly [string, number])[],
  { sentences, wordsPerSentence, lettersPerWord }: Readability,
): Report {
  return {
    words: all.length,
    frequent: most,
    sentences,
    wordsPerSentence: round(wordsPerSentence),
    lettersPerWord: round(lettersPerWord),
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
