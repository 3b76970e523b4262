// Arrays that may be too long for one binding: in several buffers of equal length, the banks, with functions in WGSL that find an
// element. WGSL cannot index bindings, so each function asks for the bank by number.

import type { GpuLimits } from './device.js';

export interface Banks {
  name: string;
  rows: number;
  /** Of each bank; the last may have fewer. */
  bankRows: number;
  /** Numbers of 4 bytes in each bank. */
  length: number;
  count: number;
}

/** As few banks as the limit allows. `rowLength`: numbers of 4 bytes in a row. */
export function planBanks(
  name: string,
  rows: number,
  rowLength: number,
  { bindingBytes }: Pick<GpuLimits, 'bindingBytes'>,
): Banks {
  const most = Math.max(1, Math.floor(bindingBytes / (4 * rowLength)));
  const count = Math.max(1, Math.ceil(rows / most));
  const bankRows = Math.max(1, Math.ceil(rows / count));
  return { name, rows, bankRows, length: bankRows * rowLength, count };
}

export function bankNames({ name, count }: Banks): string[] {
  return Array.from({ length: count }, (_, bank) => `${name}_${bank}`);
}

/** The rows of a bank: from, and how many. */
export function rowsOfBank({ rows, bankRows }: Banks, bank: number): { from: number; count: number } {
  const from = bank * bankRows;
  return { from, count: Math.min(bankRows, rows - from) };
}

/** NAME_bank(row), NAME_local(row): which bank has a row, and its number there; NAME_load(bank, at), NAME_store(bank, at, value). */
export function tableFunctions(banks: Banks, writable: boolean): string {
  const { name, bankRows, count } = banks;
  const single = count === 1;
  const store = bankNames(banks).map((bank) => `${bank}[at] = value;`);
  return `
const ${name}_BANK_ROWS = ${bankRows}u;
const ${name}_ROWS = ${banks.rows}u;
fn ${name}_bank(row: u32) -> u32 { return ${single ? '0u' : `row / ${bankRows}u`}; }
fn ${name}_local(row: u32) -> u32 { return ${single ? 'row' : `row % ${bankRows}u`}; }
${loadFunction(banks)}${writable ? `\nfn ${name}_store(bank: u32, at: u32, value: u32) { ${byBank(store)} }` : ''}`;
}

/** NAME(i): element i of an array of single numbers. */
export function elementFunction(banks: Banks): string {
  const { name, bankRows, count } = banks;
  const [bank, local] = count === 1 ? ['0u', 'i'] : [`i / ${bankRows}u`, `i % ${bankRows}u`];
  return `
${loadFunction(banks)}
fn ${name}(i: u32) -> u32 { return ${name}_load(${bank}, ${local}); }`;
}

function loadFunction(banks: Banks): string {
  const loads = bankNames(banks).map((bank) => `return ${bank}[at];`);
  return `fn ${banks.name}_load(bank: u32, at: u32) -> u32 { ${byBank(loads)} }`;
}

function byBank(statements: string[]): string {
  if (statements.length === 1) return statements[0];
  const cases = statements.map((statement, bank) => {
    const label = bank === statements.length - 1 ? 'default' : `case ${bank}u`;
    return `${label}: { ${statement} }`;
  });
  return `switch bank { ${cases.join(' ')} }`;
}
