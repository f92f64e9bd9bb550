import { describe, expect, it } from 'vitest';
import { Dag, toDot, toMermaid, toSvg } from '../../lib/index.ts';

const code = { module: 'file:///tasks.js', export: 'fn' };
const dag = new Dag('drawn "1"')
  .add({ id: 'load', code, cost: { cpu: 1, memory: 500 } })
  .add({ id: 'a "quoted" <b> & #1', code, args: ['load', 'load'], node: 'big' })
  .add({ id: 'i', code, args: ['load'], type: 'inline' })
  .add({ id: 'end', code, args: ['i', 'a "quoted" <b> & #1'], node: { collocatedWith: 'load' } });

describe('drawing', () => {
  it('gives Mermaid', () => {
    expect(toMermaid(dag)).toMatchInlineSnapshot(`
      "flowchart TD
        f0["load<br/>fn<br/>cpu 1, memory 500"]
        f1["a #34;quoted#34; #60;b#62; #38; #35;1<br/>fn<br/>pinned to big"]
        f2("i<br/>fn")
        f3["end<br/>fn<br/>with load"]
        f0 --> f1
        f0 --> f2
        f2 --> f3
        f1 --> f3
      "
    `);
  });

  it('gives DOT', () => {
    const dot = toDot(dag);
    expect(dot).toContain('digraph "drawn \\"1\\""');
    expect(dot).toContain('f1 [label="a \\"quoted\\" <b> & #1\\nfn\\npinned to big"');
    expect(dot.match(/->/g)).toHaveLength(4);
  });

  it('gives SVG by Graphviz, which takes our DOT', async () => {
    const svg = await toSvg(dag, { allocations: { load: 'n1', end: 'n2' } });
    expect(svg).toContain('<svg');
    expect(svg).toContain('a &quot;quoted&quot; &lt;b&gt; &amp; #1');
    expect(svg.match(/class="node"/g)).toHaveLength(4);
    expect(svg.match(/class="edge"/g)).toHaveLength(4);
    expect(svg).toContain('#cfe8fc');
  });

  it('colours functions by node', () => {
    const mermaid = toMermaid(dag, { allocations: { load: 'n1', end: 'n2' } });
    expect(mermaid).toContain('on n1');
    expect(mermaid).toContain('style f0 fill:#cfe8fc');
    expect(mermaid).toContain('style f3 fill:#ffe3b8');
    expect(mermaid).not.toContain('style f1');
  });

  it('draws a DAG that is not valid, as far as it goes', () => {
    const broken = new Dag().add({ id: 'a', code, args: ['a', 'nope'] });
    expect(toMermaid(broken)).toContain('f0 --> f0');
    expect(toDot(broken)).toContain('f0 -> f0');
  });
});
