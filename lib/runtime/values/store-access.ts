/** The public methods of the store: values of runs and DAGs on all hosts. */
import { parseOptions } from '../../core/options.ts';
import { type ResultOptions, resultSchema } from '../options/call-options.ts';
import { HandoffEmitter } from '../emitter.ts';
import type { Values } from './values.ts';

export abstract class StoreAccess extends HandoffEmitter {
  /**
   * @internal
   * @param isNeeded whether to refuse the call after `stop()`
   * @throws `STOPPED` when this Handoff has been stopped
   */
  protected abstract values(isNeeded: boolean): Values;

  /**
   * Puts a value into this host's store.
   *
   * @param run the id of a run, or of a DAG. Values under the id of a DAG are dropped when a run of that DAG starts
   * @param id the id of the value
   * @param value is copied
   * @throws `NOT_SERIALIZABLE` when the value, or a part of it, cannot be copied; `STOPPED` when this Handoff has been
   *   stopped
   */
  async storeValue(run: string, id: string, value: unknown): Promise<void> {
    this.values(true).store(run, id, value);
  }

  /**
   * Reads a stored value or a result from this host's store.
   *
   * @param run the id of a run, or of a DAG, meaning its newest run
   * @param id the id of the value, or of the function
   * @throws `NOT_FOUND` when it is not in this store
   */
  async getLocalValue(run: string, id: string): Promise<any> {
    return this.values(false).local(run, id);
  }

  /**
   * Reads a value from this host's store, or else from the node that holds it.
   *
   * @param run the id of a run, or of a DAG, meaning its newest run
   * @param id the id of the value, or of the function
   * @param options `fromNode`: the node to ask. Default: the registered location
   * @throws `NOT_FOUND` when there is no such value or node
   */
  async getValue(run: string, id: string, options: { readonly fromNode?: string | undefined } = {}): Promise<any> {
    return this.values(false).get(run, id, options.fromNode);
  }

  /**
   * Stores a value like `storeValue`, and registers its location.
   *
   * @param options `originNode`: the node that holds the value. Default: the first node of this host. For a node of
   *   another host only the location is registered
   * @throws `NOT_SERIALIZABLE` when the value, or a part of it, cannot be copied; `STOPPED` when this Handoff has been
   *   stopped
   */
  async storeResult(
    run: string,
    id: string,
    value: unknown,
    options: { readonly originNode?: string | undefined } = {},
  ): Promise<void> {
    this.values(true).put(run, id, value, options.originNode);
  }

  /**
   * Waits for a result or a stored value.
   *
   * @param run the id of a run, or of a DAG, meaning its newest run at the time the value arrives
   * @param id the id of the value, or of the function
   * @param options `timeout` in ms, default 5000
   * @returns the value, as soon as it exists on any host
   * @throws `RESULT_TIMEOUT` when the timeout passes; `RESULT_LOST` when a run of this id has ended here and does not
   *   hold the result; `STOPPED` when this Handoff stops; `INVALID_OPTION` when `timeout` is invalid
   */
  async getResult(run: string, id: string, options: ResultOptions = {}): Promise<any> {
    const { timeout } = parseOptions('getResult', resultSchema, options);
    return this.values(true).wait(run, id, timeout);
  }

  /** Registers the node that holds a value. Throws `STOPPED` when this Handoff has been stopped. */
  async registerDataLocation(run: string, id: string, node: string): Promise<void> {
    this.values(true).register(run, id, node);
  }

  /**
   * Looks up the node that holds a value.
   * @throws `NOT_FOUND` when no location is registered
   */
  async lookupDataLocation(run: string, id: string): Promise<string> {
    return this.values(false).locate(run, id);
  }

  /** Forgets all values, results and locations of a run on all hosts. A run that has not ended continues. */
  async clear(run: string): Promise<void> {
    await this.values(false).clear(run);
  }
}
