// The table: who met whom, and how far they got.

const columns = ['server', 'client', 'revision'];

/** It, with what there is to say about its cells. */
export function table(journey, rows) {
  const steps = journey.map(({ name }) => name);
  const heads = [...columns, ...steps];
  const bodies = rows.map((row) => [
    ...columns.map((column) => row[column]),
    ...steps.map((step) => row.cells[step]?.mark ?? ''),
  ]);
  const widths = heads.map((head, i) => Math.max(head.length, ...bodies.map((body) => body[i].length)));
  const line = (texts) => `| ${texts.map((text, i) => text.padEnd(widths[i])).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [heads, rule, ...bodies].map(line).concat(remarks(rows)).join('\n');
}

/** Why each step failed, and for whom. */
function remarks(rows) {
  const remarks = new Map();
  for (const { server, client, revision, cells } of rows) {
    for (const [step, { mark, why }] of Object.entries(cells).filter(([, cell]) => cell.why)) {
      const remark = `\n${mark}: ${step}: ${why.trim()}`;
      remarks.set(remark, [...(remarks.get(remark) ?? []), `\n    ${server}: ${client}, ${revision}`]);
    }
  }
  return [...remarks].map(([remark, those]) => remark + those.join(''));
}
