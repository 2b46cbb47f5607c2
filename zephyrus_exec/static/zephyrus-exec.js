/**
 * Executes agents of a zephyrus_exec server and watches every step: protocol v2, and v1 where the
 * server knows no other. The connection is kept up by itself, and what is watched goes on where it
 * was. The types, and what each thing promises, are in `zephyrus-exec.d.ts`.
 */

const V2 = 'zephyrus.exec.v2.json';
const V1 = 'zephyrus.exec.v1.json';
const BEARER = 'zephyrus.auth.bearer.';

// All durations are seconds.
const FIRST_DELAY = 0.5;
const LONGEST_DELAY = 30;
const SETTLED = 1; // a connection that lasted longer ends a series of attempts
const LONGEST_WAIT = 3600; // that a server may ask for
const OPENING = 20;
const LOST_AFTER = 60;
const RETRY = 1; // before a request is sent again, where the server says nothing of it
const CAPACITY = 1000;
const BROKE_OFF = 4000; // the close code of connections that we give up
const UNAUTHENTICATED = 4401;

/** Returns a client of the server at this URL; it begins to connect at once. */
export function connect(url, options) {
  return new Client(url, options);
}

/** Why something could not be done, with the stable code of the server or of this module. */
export class ZephyrusError extends Error {
  name = 'ZephyrusError';

  constructor(code, message, { retryable = false, retryAfter, details } = {}) {
    super(message);
    Object.assign(this, { code, retryable, retryAfter, details });
  }
}

/** A server, as long as anybody wants to talk to it. */
export class Client extends EventTarget {
  #connection;
  #cursors;
  #status = { state: 'connecting' };
  onstatus = null;

  constructor(url, options = {}) {
    super();
    this.#connection = new Connection(url, options, {
      onstatus: (status) => this.#tell(status),
      onready: () => this.#cursors.resume(this.#connection.server?.storeEpoch),
      onlost: () => this.#cursors.interrupt(),
      onclosed: (error) => this.#cursors.fail(error),
      onevent: (topic, event, last) => this.#cursors.deliver(topic, event, last),
      ongone: (topic, error) => this.#cursors.lose(topic, error),
    });
    this.#cursors = new Cursors(this.#connection, options.capacity ?? CAPACITY);
    this.addEventListener('status', (event) => this.onstatus?.(event));
    this.#connection.open();
  }

  get version() { return this.#connection.version; }
  get server() { return this.#connection.server; }
  get status() { return this.#status; }

  execute(agentId, { input, deadline, idempotencyKey, storeEpoch } = {}) {
    const message = {
      type: 'execute',
      agent_id: agentId,
      idempotency_key: idempotencyKey ?? uuid7(),
      store_epoch: storeEpoch,
      input: input === undefined ? undefined : JSON.parse(JSON.stringify(input)), // as it is now
      deadline: secondsOf(deadline),
    };
    const execution = new Execution(this.#connection, this.#cursors, { message });
    const onlyInV2 = { input, deadline, idempotencyKey };
    this.#connection.request(message, execution.begun, onlyInV2);
    return execution;
  }

  watch(executionId, { fromSeq = 0 } = {}) {
    return new Execution(this.#connection, this.#cursors, { id: executionId, fromSeq });
  }

  watchEffect(effectKey, { fromSeq = 0 } = {}) {
    return {
      [Symbol.asyncIterator]: () =>
        this.#cursors.add(new Reader(this.#cursors, fromSeq), { effect_key: effectKey }),
    };
  }

  async getExecution(executionId) {
    const message = { type: 'get_execution', execution_id: executionId };
    return camel((await this.#connection.ask(message)).execution);
  }

  async listExecutions({ agentId, limit, before } = {}) {
    const message = { type: 'list_executions', agent_id: agentId, limit, before };
    const { executions, next } = await this.#connection.ask(message);
    return { executions: executions.map(camel), next: next ?? null };
  }

  close() {
    this.#connection.close(new ZephyrusError('closed', 'the client was closed'));
  }

  #tell(status) {
    this.#status = status;
    this.dispatchEvent(new CustomEvent('status', { detail: status }));
  }
}

/** One execution: asked for here, or watched from somewhere else. */
class Execution {
  #connection;
  #cursors;
  #message;
  #fromSeq;
  #early = new Set(); // who reads before it has an id
  #told = []; // of v1, which has no journal to read again
  #end = null;
  #error = null;
  #settle;
  id = null;

  constructor(connection, cursors, { id, fromSeq = 0, message }) {
    this.#connection = connection;
    this.#cursors = cursors;
    this.#message = message;
    this.#fromSeq = fromSeq;
    this.started = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.started.catch(() => {}); // whoever reads the events is told as well
    if (id !== undefined) this.#accepted({ executionId: id });
  }

  get idempotencyKey() { return this.#message?.idempotency_key; }
  get storeEpoch() { return this.#message?.store_epoch; }

  [Symbol.asyncIterator]() {
    return this.#read(this.#fromSeq);
  }

  async result() {
    if (this.#end) return this.#end;
    for await (const event of this.#read(await this.#beforeLast())) {
      if (event.event === 'completed') return event;
    }
    throw new ZephyrusError('execution_lost', 'the events end without a last one');
  }

  async cancel(reason) {
    await this.started;
    const message = { type: 'cancel', execution_id: this.id ?? undefined, reason };
    return (await this.#connection.ask(message)).disposition;
  }

  /** What the connection tells of the request that begins it. */
  get begun() {
    return {
      resolve: (reply) => this.#accepted({ ...camel(reply), ...camel(reply.data) }),
      reject: (error) => this.#fail(error),
      event: (event, last) => this.#tell(event, last),
    };
  }

  /** Where to begin to read in order to see the end, without all that was before. */
  async #beforeLast() {
    if (this.id === null) return this.#fromSeq;
    const message = { type: 'get_execution', execution_id: this.id };
    const { execution } = await this.#connection.ask(message);
    return Math.max(0, (execution.head_seq ?? 0) - 1);
  }

  #read(seq) {
    const reader = new Reader(this.#cursors, seq, (end) => (this.#end = end));
    if (this.id !== null) return this.#cursors.add(reader, { execution_id: this.id });
    this.#early.add(reader);
    for (const [event, last] of this.#told) reader.push(event, last);
    if (this.#error) reader.fail(this.#error);
    return reader;
  }

  #accepted({ executionId, storeEpoch, replayed = false, message = null }) {
    this.id = executionId ?? null;
    this.#settle.resolve({ executionId: this.id, storeEpoch, replayed, message });
    if (this.id === null || !this.#message) return;
    this.#cursors.sent({ execution_id: this.id }, [...this.#early]);
    this.#early.clear();
  }

  #tell(event, last) {
    this.#told.push([event, last]);
    for (const reader of this.#early) reader.push(event, last);
  }

  #fail(error) {
    this.#error = error;
    this.#settle.reject(error);
    for (const reader of this.#early) reader.fail(error);
  }
}

/** A place in a journal: gives every event after it once, in order, until the last one. */
class Reader {
  #cursors;
  #note;
  #buffer = [];
  #waiting = [];
  #error = null;
  #newest = null;
  #rechecks = false;
  topic = null;
  joined = false; // whether the subscription that is there reaches back to this place
  paused = false;
  over = false;

  constructor(cursors, seq, note = () => {}) {
    this.#cursors = cursors;
    this.#note = note;
    this.seq = seq;
  }

  push(event, last) {
    if (this.over) return;
    if (this.#rechecks) return this.#recheck(event);
    this.seq = event.seq ?? this.seq;
    this.#newest = event;
    const waiting = this.#waiting.shift();
    if (waiting) waiting.resolve({ value: event, done: false });
    else this.#buffer.push(event);
    if (last) this.#note(event);
    if (last) this.finish();
    else if (this.#buffer.length >= this.#cursors.capacity) this.#cursors.pause(this);
  }

  /** Has the newest event sent again: where a journal lost events, others may have its number. */
  doubt() {
    if (this.#newest === null) return;
    this.seq = this.#newest.seq - 1;
    this.#rechecks = true;
  }

  #recheck(event) {
    if (JSON.stringify(event) !== JSON.stringify(this.#newest)) return this.fail(anotherHistory(event));
    this.seq = event.seq;
    this.#rechecks = false;
  }

  finish() {
    this.over = true;
    this.#cursors.remove(this);
    for (const { resolve } of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
  }

  fail(error) {
    if (this.over) return;
    const waiting = this.#waiting.shift();
    if (waiting) waiting.reject(error);
    else this.#error = error;
    this.finish();
  }

  async next() {
    if (this.#buffer.length) return { value: this.#take(), done: false };
    const error = this.#error;
    this.#error = null;
    if (error) throw error;
    if (this.over) return { value: undefined, done: true };
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #take() {
    const event = this.#buffer.shift();
    const isRoom = this.#buffer.length <= this.#cursors.capacity / 2;
    if (this.paused && isRoom) this.#cursors.goOn(this);
    return event;
  }

  async return(value) {
    this.#buffer = [];
    if (!this.over) {
      this.finish();
      this.#cursors.unsubscribeIfUnread(this.topic);
    }
    return { value, done: true };
  }

  [Symbol.asyncIterator]() { return this; }
}

/** All readers. Those of one journal share one subscription, which begins at the hindmost. */
class Cursors {
  #connection;
  #journals = new Map(); // of readers, by the name of the topic
  #epoch; // of the journals that are read

  constructor(connection, capacity) {
    this.#connection = connection;
    this.capacity = capacity;
  }

  /** Lets a reader have the journal of `{execution_id}` or `{effect_key}`; returns it. */
  add(reader, topic) {
    this.#place(reader, topic);
    this.#subscribe(topic);
    return reader;
  }

  /** Lets those who read still have a journal that the server sends from the beginning anyway. */
  sent(topic, readers) {
    for (const reader of readers.filter(({ over }) => !over)) {
      this.#place(reader, topic);
      reader.joined = true;
    }
    this.unsubscribeIfUnread(topic);
  }

  remove(reader) {
    const readers = this.#of(reader.topic);
    readers.delete(reader);
    if (readers.size === 0) this.#journals.delete(nameOf(reader.topic));
  }

  deliver(topic, event, last) {
    for (const reader of this.#of(topic)) {
      if (!reader.joined || event.seq <= reader.seq) continue;
      if (event.seq > reader.seq + 1) return this.#connection.breakOff('a gap in the events');
      reader.push(event, last);
    }
  }

  /** What the server has forgotten meanwhile is told to those who read it. */
  lose(topic, error) {
    for (const reader of this.#of(topic)) reader.fail(error);
  }

  pause(reader) {
    reader.paused = true;
    reader.joined = false;
    this.unsubscribeIfUnread(reader.topic);
  }

  goOn(reader) {
    reader.paused = false;
    this.#subscribe(reader.topic);
  }

  unsubscribeIfUnread(topic) {
    if (topic === null || this.#reading(topic).length || this.#connection.waiting) return;
    // One that the server refuses for a while must not end what is subscribed to by then.
    const isMoot = () => this.#reading(topic).length > 0;
    this.#connection.request({ type: 'unsubscribe', ...topic }, { ...IGNORED, isMoot });
  }

  /** The connection is there, again or for the first time, and leads to journals of that epoch. */
  resume(epoch) {
    const isAnother = this.#epoch !== undefined && epoch !== this.#epoch;
    if (isAnother) for (const reader of this.#all()) reader.doubt();
    this.#epoch = epoch ?? this.#epoch;
    for (const [{ topic }] of [...this.#journals.values()]) this.#subscribe(topic);
  }

  interrupt() {
    for (const reader of this.#all()) reader.joined = false;
  }

  fail(error) {
    for (const reader of this.#all()) reader.fail(error);
  }

  #subscribe(topic) {
    const readers = this.#reading(topic);
    if (readers.length === 0 || this.#connection.waiting) return;
    const from_seq = Math.min(...readers.map(({ seq }) => seq));
    this.#connection.request({ type: 'subscribe', ...topic, from_seq }, {
      resolve: (reply) => readers.forEach((reader) => subscribed(reader, reply)),
      reject: (error) => readers.forEach((reader) => reader.fail(error)),
    });
  }

  #place(reader, topic) {
    reader.topic = topic;
    this.#journals.set(nameOf(topic), this.#of(topic).add(reader));
  }

  #of(topic) { return this.#journals.get(nameOf(topic)) ?? new Set(); }
  #reading(topic) { return [...this.#of(topic)].filter(({ paused }) => !paused); }
  #all() { return [...this.#journals.values()].flatMap((readers) => [...readers]); }
}

function subscribed(reader, { terminal, head_seq: head }) {
  if (reader.over || reader.paused) return;
  reader.joined = true;
  if (terminal && reader.seq >= head) reader.finish(); // it has been told everything
}

/** Keeps one connection up: opens it, says hello, repeats what was not answered, and waits. */
class Connection {
  #url;
  #options;
  #listeners;
  #timers;
  #link = null;
  #attempt = null; // what is under way now; whatever belongs to another one is stale
  #how = 'offer'; // 'offer', 'plain', 'v1', or 'old': see `#protocols`
  #offering = false; // whether offering subprotocols has worked here
  #attempts = 0;
  #openedAt = null;
  #askedToWait = 0;
  #refusal = null;
  #timer;
  #unanswered = new Map();
  #lastId = 0;
  #notBefore = 0;
  #online = () => {
    if (this.#state === 'reconnecting' && this.#timers.now() >= this.#notBefore) this.#dial();
  };
  #open = false;
  #state = 'connecting';
  error = null;
  version = null;
  server = null;

  constructor(url, options, listeners) {
    this.#url = urlOf(url);
    this.#options = { WebSocket: globalThis.WebSocket, random: Math.random, ...options };
    if (!this.#options.WebSocket) throw new TypeError('there is no WebSocket here: give one');
    this.#timers = { ...TIMERS, ...options.timers };
    this.#listeners = listeners;
  }

  /** Whether there is no connection now, but will be. */
  get waiting() { return !this.error && !this.#open; }

  open() {
    globalThis.addEventListener?.('online', this.#online);
    this.#dial();
  }

  close(error, end = {}) {
    if (this.error) return;
    this.error = error;
    this.#leave(1000);
    globalThis.removeEventListener?.('online', this.#online);
    for (const request of [...this.#unanswered.values()]) this.#reject(request, error);
    this.#listeners.onclosed(error);
    this.#tell('closed', { error, ...end });
  }

  /** Gives the connection up because of what the server does on it; another one follows. */
  breakOff(reason) {
    this.#lost({ code: BROKE_OFF, reason });
  }

  ask(message) {
    return new Promise((resolve, reject) => this.request(message, { resolve, reject }));
  }

  /** Sends a request until it is answered; `sink` is told the answer at once. */
  request(message, sink, onlyInV2 = {}) {
    if (this.error) return sink.reject(this.error);
    message.request_id = String(++this.#lastId);
    this.#unanswered.set(message.request_id, {
      message, sink, onlyInV2, link: null, sent: false, uncertain: false, refusals: 0,
    });
    this.#pump();
  }

  // --- opening -----------------------------------------------------------------------------------

  async #dial() {
    const attempt = (this.#attempt = {});
    const isStale = () => attempt !== this.#attempt;
    this.#refusal = null;
    this.#after(OPENING, () => this.breakOff('no answer in time'));
    this.#tell('connecting');
    try {
      const token = await this.#token();
      if (!isStale()) this.#openLink(token);
    } catch (error) {
      if (!isStale()) this.#wait({ code: BROKE_OFF, reason: `no token: ${error}` });
    }
  }

  async #token() {
    const { token } = this.#options;
    return typeof token === 'function' ? token() : token;
  }

  #openLink(token) {
    const { WebSocket } = this.#options;
    const listeners = {
      onopen: (protocol) => this.#opened(protocol, token),
      onframe: (frame) => this.#receive(frame),
      onlost: (end) => this.#lost(end),
    };
    try {
      this.#link = new Link(WebSocket, this.#url, this.#protocols(token), listeners);
    } catch (error) {
      this.close(new ZephyrusError('not_connectable', `no connection is possible: ${error}`));
    }
  }

  #protocols(token) {
    if (this.#how === 'offer') return [V2, V1];
    if (this.#how === 'v1') return [V1, BEARER + base64url(token)];
    return [];
  }

  #opened(protocol, token) {
    if (this.#how === 'offer' && protocol) this.#offering = true;
    if (this.#how === 'offer' && protocol === V1 && token) return this.#again('v1');
    if (protocol === V1 || this.#how === 'old') return this.#ready(1, null);
    if (this.#how === 'offer' && !protocol) this.#how = 'plain';
    const auth = token ? { scheme: 'bearer', token } : undefined;
    this.#link.send(hello(auth));
  }

  #again(how) {
    this.#how = how;
    this.#leave(1000);
    this.#dial();
  }

  #ready(version, server) {
    this.version = version;
    this.server = server;
    this.#openedAt = this.#timers.now();
    this.#open = true;
    this.#hear();
    this.#listeners.onready();
    this.#pump();
    this.#tell('open', { version });
  }

  // --- losing it ---------------------------------------------------------------------------------

  #lost({ code, reason }) {
    const { opened } = this.#link ?? {};
    const isReplaceable = code === UNAUTHENTICATED && this.#open && this.#renews;
    this.#leave(BROKE_OFF, reason);
    if (isReplaceable) return this.#wait({ code, reason });
    if (code >= 4400 && code < 4500) return this.close(this.#why(code, reason), { code, reason });
    if (!opened && this.#how === 'offer' && !this.#offering) return this.#again('plain');
    if (!opened) this.#how = 'offer';
    this.#wait({ code, reason });
  }

  #why(code, reason) {
    const details = { closeCode: code, reason };
    const message = reason || `the server closed the connection with ${code}`;
    return this.#refusal ?? new ZephyrusError(CLOSED[code] ?? 'refused', message, { details });
  }

  #wait(end) {
    const lasted = this.#openedAt === null ? 0 : this.#timers.now() - this.#openedAt;
    if (lasted > 1000 * SETTLED) this.#attempts = 0;
    const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#attempts++);
    const retryIn = this.#askedToWait + this.#options.random() * longest;
    this.#notBefore = this.#timers.now() + 1000 * this.#askedToWait;
    this.#askedToWait = 0;
    this.#openedAt = null;
    this.#after(retryIn, () => this.#dial());
    this.#tell('reconnecting', { ...end, retryIn });
  }

  /** Ends the connection on our side, and what was about it alone. */
  #leave(code, reason) {
    this.#link?.end(code, reason);
    this.#attempt = this.#link = null;
    this.#open = false;
    this.#timers.clearTimeout(this.#timer);
    for (const request of [...this.#unanswered.values()]) this.#afterLoss(request);
    this.#listeners.onlost();
  }

  #afterLoss(request) {
    const { message, link } = request;
    request.uncertain ||= link !== null && message.type === 'execute';
    request.link = null;
    if (OF_ONE_CONNECTION.has(message.type)) this.#unanswered.delete(message.request_id);
    else if (link && this.version === 1) this.#reject(request, outcomeUnknown());
  }

  // --- requests ----------------------------------------------------------------------------------

  /** Sends what has not been sent on this connection, as many requests as it takes at once. */
  #pump() {
    if (!this.#open) return;
    const most = this.version === 1 ? 1 : bound(this.server.limits.maxRequests);
    let unanswered = 0;
    for (const request of this.#unanswered.values()) {
      if (unanswered >= most && this.version === 2) return;
      const refusal = this.version === 1 && !request.link ? whyNotInV1(request) : null;
      if (refusal) this.#reject(request, refusal);
      else if (!request.link && request.sink.isMoot?.()) this.#unanswered.delete(request.message.request_id);
      else if (!request.link && !request.held && unanswered < most) this.#transmit(request);
      if (request.link) unanswered += 1;
    }
  }

  #transmit(request) {
    const { message } = request;
    if (this.version === 2 && message.type === 'execute') {
      message.store_epoch ??= this.server.storeEpoch; // of the first time, whenever it is repeated
    }
    const text = JSON.stringify(
      this.version === 2 ? message : { type: 'execute', agent_id: message.agent_id });
    const refusal = this.#whyUnreadable(text, message);
    if (refusal) return this.#reject(request, refusal);
    request.link = this.#link;
    request.sent = true;
    this.#link.send(text);
  }

  /** What the server could not even read it would not answer, or would end the connection for. */
  #whyUnreadable(text, message) {
    const { maxMessageBytes, maxMessageDepth } = this.server?.limits ?? {};
    const { length } = new TextEncoder().encode(text);
    if (length > bound(maxMessageBytes)) return tooLarge(`${length} bytes`);
    if (isDeeper(message, bound(maxMessageDepth))) return tooLarge(`more than ${maxMessageDepth} levels`);
    return LONE_SURROGATE.test(text) ? notUnicode() : null;
  }

  #reject(request, error) {
    this.#timers.clearTimeout(request.held);
    this.#unanswered.delete(request.message.request_id);
    request.sink.reject(error);
  }

  #answer(message) {
    const request = this.#asked(message);
    if (!request) return;
    if (ANSWERS[request.message.type] !== message.type) return this.breakOff('a wrong answer');
    this.#unanswered.delete(message.request_id);
    request.sink.resolve(message);
    this.#pump();
  }

  #asked({ request_id: id }) {
    const request = this.#unanswered.get(id);
    return request && request.link === this.#link ? request : undefined;
  }

  // --- what comes --------------------------------------------------------------------------------

  #receive(frame) {
    const message = parse(frame);
    if (!message) return this.breakOff('an unreadable message');
    if (!this.#open) return this.#greeted(message);
    this.#hear();
    if (this.version === 1) return this.#receiveV1(message);
    const isValid = VALID[message.type];
    if (isValid?.(message)) return this.#handle(message);
    if (isValid) this.breakOff('an invalid message'); // else it is of a type we do not know
  }

  #greeted(message) {
    if (message.type === 'error' && isObject(message.data)) return this.#refused(message);
    if (message.type !== 'hello_ack') return;
    if (!isHelloAck(message)) return this.breakOff('an invalid hello_ack');
    const { limits, heartbeat } = message;
    this.#ready(2, { ...camel(message), limits: camel(limits), heartbeat: camel(heartbeat) });
  }

  #refused(message) {
    const { request_id: id, data } = message;
    if (this.#how === 'plain' && !this.#open && id === undefined && !data.code) {
      this.#how = 'old'; // it does not know what a hello is
      return this.#ready(1, null);
    }
    this.#refusal = errorOf(message);
    this.#askedToWait = this.#refusal.retryAfter ?? 0;
  }

  #handle(message) {
    switch (message.type) {
      case 'ping': return this.#link.send(JSON.stringify({ type: 'pong', t: message.t }));
      case 'goaway': return void (this.#askedToWait = seconds(message.retry_after, 0));
      case 'auth_expiring': return void this.#renew();
      case 'error': return this.#handleError(message);
      case 'execution_event':
        return this.#listeners.onevent(pick(message, 'execution_id'), eventOf(message), false);
      case 'effect_event':
        return this.#listeners.onevent(
          pick(message, 'effect_key'), eventOf(message), EFFECT_ENDS.has(message.event));
      case 'execution_response':
        if (message.data.status === 'started') return this.#answer(message);
        return this.#listeners.onevent(pick(message, 'execution_id'), lastOf(message), true);
      default: return this.#answer(message);
    }
  }

  #handleError(message) {
    const request = this.#asked(message);
    if (!request) return this.#handleUnasked(message);
    const error = errorOf(message);
    if (error.code === 'commit_unknown') request.uncertain = true;
    const after = error.retryAfter ?? waitAgain(request, error);
    if (error.retryable && after !== undefined) this.#hold(request, after);
    else this.#reject(request, error);
    this.#pump();
  }

  #handleUnasked(message) {
    const error = errorOf(message);
    const [name] = GONE[error.code] ?? [];
    const of = isObject(error.details) ? error.details[name] : undefined;
    if (isString(of)) return this.#listeners.ongone({ [name]: of }, error);
    this.#refused(message);
  }

  #hold(request, delay) {
    request.link = null;
    request.held = this.#timers.setTimeout(() => {
      request.held = undefined;
      this.#pump();
    }, 1000 * delay);
  }

  /** The answers to v1's requests come in their order, and there is one request at a time. */
  #receiveV1(message) {
    const { type, data } = message;
    const request = [...this.#unanswered.values()].find(({ link }) => link === this.#link);
    if (!request || !isObject(data)) return;
    if (type === 'error') {
      this.#reject(request, new ZephyrusError('invalid_request', String(data.message)));
      this.#pump();
    } else if (type === 'execution_response' && data.status === 'started') {
      request.sink.resolve(message);
      request.sink.event(eventOf({ event: 'started', data: { message: data.message } }), false);
    } else if (type === 'execution_response' && data.status === 'completed') {
      this.#unanswered.delete(request.message.request_id);
      request.sink.event(lastOf(message), true);
      this.#pump();
    }
  }

  /** Whether there may be another token where one has ended. */
  get #renews() { return typeof this.#options.token === 'function'; }

  async #renew() {
    if (!this.#renews) return;
    try {
      await this.ask({ type: 'auth', scheme: 'bearer', token: await this.#token() });
    } catch (error) {
      if (this.#open) this.#tell('open', { version: this.version, error });
    }
  }

  // --- time, and telling -------------------------------------------------------------------------

  /** Something came: the server is there, and has time to say something again. */
  #hear() {
    if (this.version === 1) return this.#timers.clearTimeout(this.#timer);
    const longest = seconds(this.server.heartbeat.lostAfter, LOST_AFTER);
    this.#after(longest, () => this.breakOff('nothing was heard'));
  }

  #after(delay, act) {
    this.#timers.clearTimeout(this.#timer);
    this.#timer = this.#timers.setTimeout(act, 1000 * delay);
  }

  #tell(state, details = {}) {
    this.#state = state;
    this.#listeners.onstatus({ state, ...details });
  }
}

/** One WebSocket, until it ends or we leave it; nothing is heard of it afterwards. */
class Link {
  #socket;
  #over = false;
  opened = false;

  constructor(WebSocket, url, protocols, { onopen, onframe, onlost }) {
    const socket = (this.#socket = new WebSocket(url, protocols));
    socket.onopen = () => {
      if (this.#over) return;
      this.opened = true;
      onopen(socket.protocol);
    };
    socket.onmessage = ({ data }) => this.#over || onframe(data);
    socket.onclose = ({ code, reason }) => this.#over || onlost({ code, reason });
    socket.onerror = () => this.#over || this.opened || onlost({ code: 1006, reason: '' });
  }

  send(text) {
    this.#socket.send(text);
  }

  end(code, reason = '') {
    this.#over = true;
    this.#socket.close(code, reason);
  }
}

// --- messages ------------------------------------------------------------------------------------

const IGNORED = { resolve() {}, reject() {} };
const EFFECT_ENDS = new Set(['finalized', 'cancelled', 'displaced', 'resolved']);
const GONE = {
  __proto__: null,
  execution_not_found: ['execution_id'],
  execution_lost: ['execution_id'],
  effect_not_found: ['effect_key'],
};
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/; // as JSON.stringify writes it
const OF_ONE_CONNECTION = new Set(['subscribe', 'unsubscribe', 'auth']);
const TIMERS = {
  setTimeout: (...args) => setTimeout(...args),
  clearTimeout: (timer) => clearTimeout(timer),
  now: () => Date.now(),
};
const CLOSED = {
  4400: 'protocol',
  4401: 'unauthenticated',
  4403: 'forbidden',
  4406: 'unsupported_version',
  4408: 'hello_timeout',
};
const ANSWERS = {
  execute: 'execution_response',
  subscribe: 'subscribed',
  unsubscribe: 'unsubscribed',
  get_execution: 'execution',
  list_executions: 'executions',
  cancel: 'cancel_ack',
  auth: 'auth_ack',
};
const VALID = {
  __proto__: null,
  ping: () => true,
  goaway: () => true,
  auth_expiring: () => true,
  unsubscribed: () => true,
  cancel_ack: () => true,
  auth_ack: () => true,
  error: ({ data }) => isObject(data),
  execution: ({ execution }) => isObject(execution),
  executions: ({ executions }) => Array.isArray(executions) && executions.every(isObject),
  subscribed: ({ head_seq: head }) => isSeq(head),
  execution_event: (message) => isString(message.execution_id) && isEvent(message),
  effect_event: (message) => isString(message.effect_key) && isEvent(message),
  execution_response: ({ execution_id: id, seq, data }) =>
    isString(id) && isSeq(seq) && isObject(data) && ['started', 'completed'].includes(data.status),
};

function hello(auth) {
  const client = 'zephyrus-js';
  return JSON.stringify({ type: 'hello', request_id: 'hello', versions: [2], client, auth });
}

function isHelloAck({ version, store_epoch: epoch, limits, heartbeat }) {
  return version === 2 && isString(epoch) && isObject(limits) && isObject(heartbeat);
}

function isEvent({ seq, event, data }) {
  return isSeq(seq) && isString(event) && isObject(data);
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isString(value) {
  return typeof value === 'string';
}

function isSeq(value) {
  return Number.isSafeInteger(value) && value >= 0;
}

function parse(frame) {
  try {
    const message = JSON.parse(frame);
    return isObject(message) && isString(message.type) ? message : null;
  } catch {
    return null;
  }
}

function eventOf({ event, seq = null, at = null, data, ...of }) {
  const { executionId = null, effectKey } = camel(of);
  return { event, ...(effectKey ? { effectKey } : { executionId }), seq, at, data };
}

function lastOf({ execution_id: executionId = null, seq = null, at = null, data }) {
  const told = { outcome: data.success ? 'succeeded' : 'failed', results: [], ...camel(data) };
  const absent = { error: null, errorInfo: null, effects: null, message: null };
  return { ...absent, ...told, event: 'completed', executionId, seq, at };
}

function errorOf({ data }) {
  const { code = 'internal', message, retryable = false, details } = data;
  const retryAfter = seconds(data.retry_after, undefined);
  return new ZephyrusError(String(code), String(message), { retryable, retryAfter, details });
}

/** How long to wait where the server names no time; undefined: it is not asked again. */
function waitAgain(request, { code }) {
  if (code === 'draining') return RETRY;
  // Who may have been accepted before is not refused by "not now": only the key tells.
  return request.uncertain ? Math.min(LONGEST_DELAY, RETRY * 2 ** request.refusals++) : undefined;
}

function whyNotInV1({ message, sent, onlyInV2 }) {
  if (message.type !== 'execute') return notSupported(message.type);
  if (sent) return outcomeUnknown(); // by v2; v1 cannot tell what became of it
  const option = Object.keys(onlyInV2).find((name) => onlyInV2[name] !== undefined);
  return option ? notSupported(`the option ${option}`) : null;
}

function notSupported(what) {
  return new ZephyrusError('not_supported', `the server speaks v1 only, which knows no ${what}`);
}

function tooLarge(what) {
  return new ZephyrusError('too_large', `the server takes no message of ${what}`);
}

function notUnicode() {
  return new ZephyrusError('invalid_json', 'a text holds half of a surrogate pair, which is no Unicode');
}

function isDeeper(value, levels) {
  if (typeof value !== 'object' || value === null) return false;
  return levels < 1 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

function anotherHistory({ seq }) {
  const why = 'events were lost, as by restoring a backup';
  return new ZephyrusError('execution_lost', `event ${seq} is another one than before: ${why}`);
}

function outcomeUnknown() {
  const advice = 'it may have been executed, or go on; look there before you repeat it';
  return new ZephyrusError('outcome_unknown', `the connection was lost: ${advice}`);
}

function bound(value) {
  return isSeq(value) && value > 0 ? value : Infinity;
}

function seconds(value, otherwise) {
  return typeof value === 'number' && value > 0 ? Math.min(value, LONGEST_WAIT) : otherwise;
}

function secondsOf(deadline) {
  if (deadline === undefined || deadline === null) return undefined;
  const at = deadline instanceof Date ? deadline.getTime() / 1000 : deadline;
  if (!Number.isFinite(at)) throw new TypeError('a deadline is a date, or seconds since the epoch');
  return at;
}

function pick(message, name) {
  return { [name]: message[name] };
}

function nameOf(topic) {
  return JSON.stringify(topic);
}

/** Returns the same with names as JavaScript has them; what the values hold is left as it is. */
function camel(object) {
  const renamed = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  const entries = Object.entries(object).map(([name, value]) => [renamed(name), value]);
  return Object.fromEntries(entries);
}

function urlOf(text) {
  const url = new URL(text, globalThis.location?.href);
  url.protocol = url.protocol.replace(/^http/, 'ws');
  url.hash = '';
  return url.href;
}

function base64url(text) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** Returns a new id whose beginning is the time (RFC 9562, version 7). */
function uuid7() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const now = Date.now();
  for (let i = 0; i < 6; i++) bytes[i] = now / 2 ** (8 * (5 - i)); // modulo 256, by its type
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
