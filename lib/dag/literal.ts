/** Plain values that are written into a DAG. */
import { findObstacle, type Obstacle } from '../obstacle.ts';
import { isCall } from './call.ts';

/** The first part of a value that cannot travel to a thread as it is: what structured clone refuses, and calls. */
export function findLiteralObstacle(value: unknown): Obstacle | undefined {
  return findObstacle(value, (part) => (isCall(part) ? 'a call inside an object (calls may stand as arguments and inside lists)' : undefined));
}
