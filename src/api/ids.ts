// Opaque, globally unique ids of the Relay Node interface: base64url of "Type:number".

import { AppError } from '../errors.js';

const NODE_TYPES = ['User', 'Movie', 'TrainingRun', 'Model', 'Import', 'ScoringRun', 'Search'] as const;
export type NodeType = (typeof NODE_TYPES)[number];

export function toNodeId(type: NodeType, key: number): string {
  return Buffer.from(`${type}:${key}`).toString('base64url');
}

/** null when it is not an id of ours. */
export function parseNodeId(id: string): { type: NodeType; key: number } | null {
  const match = /^([A-Za-z]+):(\d{1,10})$/.exec(Buffer.from(id, 'base64url').toString('utf8'));
  const type = NODE_TYPES.find((candidate) => candidate === match?.[1]);
  const key = Number(match?.[2]);
  return type && key < 2 ** 31 ? { type, key } : null;
}

/** @throws AppError BAD_INPUT when it is not an id of this type */
export function toKey(type: NodeType, id: string, argument: string): number {
  const parsed = parseNodeId(id);
  if (parsed?.type !== type) {
    throw new AppError('BAD_INPUT', `"${id}" is not the id of a ${type}`, { argumentPath: [argument] });
  }
  return parsed.key;
}
