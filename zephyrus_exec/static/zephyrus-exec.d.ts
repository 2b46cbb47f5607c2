/** Executes agents of a zephyrus_exec server and watches every step. All durations are seconds. */

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };
export type Outcome =
  | 'succeeded' | 'failed' | 'cancelled' | 'timed_out' | 'interrupted' | 'in_doubt';

export interface Options {
  /** A bearer token, or what gives one: asked at every connection, and before one ends. */
  token?: string | (() => string | Promise<string>);
  /** Where there is no global one, for example that of the package `ws`. */
  WebSocket?: unknown;
  /** How many events wait for a reader before the server is asked to send no more; 1000. */
  capacity?: number;
  /** A number from 0 to 1, by which waits differ: `Math.random`. */
  random?: () => number;
  /** What time is, in milliseconds; for tests. */
  timers?: {
    setTimeout?: (act: () => void, delay: number) => unknown;
    clearTimeout?: (timer: never) => void;
    now?: () => number;
  };
}

/**
 * Returns a client of the server at this URL (`ws:`, `wss:`, or what a page has: `http:`, `https:`,
 * or a path). It begins to connect at once, and does so again whenever the connection is lost.
 *
 * @throws {TypeError} It is no URL, or there is no WebSocket.
 */
export function connect(url: string | URL, options?: Options): Client;

export class Client extends EventTarget {
  private constructor();
  /** The version of the protocol that is spoken; null before the first connection. */
  readonly version: 1 | 2 | null;
  /** What the server told of itself; null before, and with v1. */
  readonly server: Server | null;
  readonly status: Status;
  /** Told of each change of `status`, as listeners of the event `status` are. */
  onstatus: ((event: CustomEvent<Status>) => void) | null;

  /**
   * Asks for one execution of an agent, once, however often the connection is lost.
   *
   * @throws {TypeError} The input is none that JSON can hold, or the deadline no time.
   */
  execute(agentId: string, options?: ExecuteOptions): Execution;
  /** Watches an execution that somebody else started, or another page did. */
  watch(executionId: string, options?: WatchOptions): Execution;
  /** Watches what becomes of a transaction, until nothing can change that. */
  watchEffect(effectKey: string, options?: WatchOptions): AsyncIterable<EffectEvent>;
  /** Returns how an execution stands. */
  getExecution(executionId: string): Promise<ExecutionView>;
  /** Returns executions, newest first, a page at a time. */
  listExecutions(options?: ListOptions): Promise<ExecutionPage>;
  /** Ends the connection; whoever waits is told `closed`. It cancels no execution. */
  close(): void;

  addEventListener(
    type: 'status',
    listener: ((event: CustomEvent<Status>) => void) | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener(
    type: 'status',
    listener: ((event: CustomEvent<Status>) => void) | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}

/** How the connection stands. */
export type Status =
  | { state: 'connecting' }
  /** `error`: why the credential could not be renewed. */
  | { state: 'open'; version: 1 | 2; error?: unknown }
  /** `code`, `reason`: how the last one ended. `retryIn`: seconds until the next attempt. */
  | { state: 'reconnecting'; code: number; reason: string; retryIn: number }
  /** For good; `code` is missing where we closed it. */
  | { state: 'closed'; error: ZephyrusError; code?: number; reason?: string };

export interface Server {
  server: string;
  connectionId: string;
  /** Names the incarnation of the journal: another one means that events may have been lost. */
  storeEpoch: string;
  principal: { id: string; scopes: string[]; expires_at: number | null };
  limits: { [name: string]: number | null };
  heartbeat: { pingAfter: number; lostAfter: number };
}

export interface ExecuteOptions {
  /** For the agent; it is taken as it is now. */
  input?: unknown;
  /** When it must end: a date, or seconds since the epoch. */
  deadline?: Date | number;
  /** Names what is wanted: the same key is the same execution. A new UUID where there is none. */
  idempotencyKey?: string;
  /** The `storeEpoch` of the execution whose key is used again, so that it never starts anew. */
  storeEpoch?: string;
}

export interface WatchOptions {
  /** The last event that is known already; 0. */
  fromSeq?: number;
}

export interface ListOptions {
  agentId?: string;
  /** 1 to 1000; 100. */
  limit?: number;
  /** The `next` of the page before. */
  before?: string;
}

/**
 * One execution. Iterating gives every event from the beginning on, once and in order, the last one
 * being `completed`; each iteration is one of its own.
 */
export interface Execution extends AsyncIterable<ExecutionEvent> {
  /** Null until it is accepted, and with v1. */
  readonly id: string | null;
  /** When it was accepted; rejects where it was not, which means that nothing was executed. */
  readonly started: Promise<Started>;
  /** Both are for asking again from another page; not there for what is only watched. */
  readonly idempotencyKey?: string;
  readonly storeEpoch?: string;
  /**
   * Returns its end, whatever the outcome.
   *
   * @throws {ZephyrusError} It was not accepted, or its end cannot be known.
   */
  result(): Promise<Completed>;
  /** Asks it to end; its outcome tells whether that came in time. */
  cancel(reason?: string): Promise<'requested' | 'already_terminal' | 'not_cancellable'>;
}

export interface Started {
  executionId: string | null;
  storeEpoch?: string;
  /** Whether the key was known: this is what was accepted under it then. */
  replayed: boolean;
  message: string | null;
}

export type ExecutionEvent = Step | Completed;

/** One fact of the journal. */
export interface Step {
  /** What happened. A newer server may tell of more kinds: leave a `default` for them. */
  event: StepKind;
  executionId: string | null;
  /** 1, 2, 3, …; null with v1, as is `at`. */
  seq: number | null;
  /** Seconds since the epoch. */
  at: number | null;
  /** As it is journaled. */
  data: JsonObject;
}

export type StepKind =
  | 'accepted' | 'started' | 'taken_over' | 'planned' | 'action_started' | 'effect_signed'
  | 'action_finished' | 'progress' | 'cancel_requested';

/** The end of an execution. */
export interface Completed {
  event: 'completed';
  executionId: string | null;
  seq: number | null;
  at: number | null;
  success: boolean;
  outcome: Outcome;
  agentId: string;
  /** What was done, also where it did not succeed (v1: only where it did). */
  results: Result[];
  executionCount?: number;
  /** Why it did not succeed, and what had been done by then: for people. */
  error: string | null;
  /** The same for programs; null with v1. */
  errorInfo: { code: string; message: string; retryable: boolean; details?: JsonObject } | null;
  /** How its transactions stood then; null with v1. */
  effects: { [state: string]: number } | null;
  message: string | null;
}

export interface Result {
  function_name: string;
  parameters: JsonObject;
  result: Json;
  success: boolean;
  message?: string;
  error?: string;
  transaction_hash?: string;
  block_number?: number;
  gas_used?: number;
}

/** Something happened to a transaction. */
export interface EffectEvent {
  event: string;
  effectKey: string;
  seq: number;
  at: number;
  data: JsonObject;
}

export interface ExecutionView {
  executionId: string;
  agentId: string;
  principal: string;
  status: 'queued' | 'running' | 'completed';
  createdAt: number;
  endedAt: number | null;
  outcome: Outcome | null;
  errorInfo: Completed['errorInfo'];
  /** Its last event so far; not in lists. */
  headSeq?: number;
}

export interface ExecutionPage {
  executions: ExecutionView[];
  /** What to give as `before` to go on; null: there are no more. */
  next: string | null;
}

/** Why something could not be done. */
export class ZephyrusError extends Error {
  constructor(code: string, message: string, more?: Partial<ZephyrusError>);
  /**
   * Of the server, or `closed`, `not_connectable`, `not_supported`, `outcome_unknown`, `protocol`,
   * `hello_timeout`, `refused`, and for what cannot be sent `too_large`, `invalid_json`.
   */
  readonly code: string;
  /** Whether the same may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  readonly retryAfter?: number;
  readonly details?: JsonObject;
}
