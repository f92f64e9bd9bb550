/** The face of the store: values of runs and of DAGs, wherever they are. */
import { checkOptions, rules } from '../core/schema.ts';
import { HandoffEmitter } from './emitter.ts';
import type { Values } from './values.ts';

const defaultResultTimeout = 5000;

export abstract class StoreAccess extends HandoffEmitter {
  /**
   * @param isNeeded whether it must not have been stopped
   * @throws `STOPPED`
   */
  protected abstract values(isNeeded: boolean): Values;

  /**
   * Puts a value into the store of this host.
   *
   * @param run the id of a run, or of a DAG. What was put under the id of a DAG is gone when a run of that DAG begins
   * @param id of the value
   * @throws `STOPPED`
   */
  async storeValue(run: string, id: string, value: unknown): Promise<void> {
    this.values(true).store(run, id, value);
  }

  /**
   * A value of this host's store: what was put there, or a result.
   *
   * @param run the id of a run, or of a DAG, which means its newest run
   * @throws `NOT_FOUND`
   */
  async getLocalValue(run: string, id: string): Promise<any> {
    return this.values(false).local(run, id);
  }

  /**
   * A value, from this host's store or else from the node that has it.
   *
   * @param run the id of a run, or of a DAG, which means its newest run
   * @throws `NOT_FOUND`
   */
  async getValue(run: string, id: string, options: { readonly fromNode?: string | undefined } = {}): Promise<any> {
    return this.values(false).get(run, id, options.fromNode);
  }

  /** Puts a value into the store, as `storeValue` does, and notes where it is. With the name of a node elsewhere as `originNode`, only notes it. */
  async storeResult(run: string, id: string, value: unknown, options: { readonly originNode?: string | undefined } = {}): Promise<void> {
    this.values(true).put(run, id, value, options.originNode);
  }

  /**
   * A result as soon as it is there.
   *
   * @param run the id of a run, or of a DAG, which means the run that is its newest when the result arrives
   * @param options `timeout` in ms, default 5000
   * @throws `RESULT_TIMEOUT`, `STOPPED`
   */
  async getResult(run: string, id: string, options: { readonly timeout?: number | undefined } = {}): Promise<any> {
    checkOptions('getResult', { timeout: rules.milliseconds }, options);
    return this.values(true).wait(run, id, options.timeout ?? defaultResultTimeout);
  }

  /** Notes where a value is. */
  async registerDataLocation(run: string, id: string, node: string): Promise<void> {
    this.values(true).register(run, id, node);
  }

  /**
   * The node that has a value.
   * @throws `NOT_FOUND`
   */
  async lookupDataLocation(run: string, id: string): Promise<string> {
    return this.values(false).locate(run, id);
  }

  /** Forgets everything of a run: its values, its results, and where they are. When it is under way it goes on. */
  async clear(run: string): Promise<void> {
    await this.values(false).clear(run);
  }
}
