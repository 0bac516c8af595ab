/**
 * Property: one client that connects again and again on any worker, sometimes twice at once, with
 * records between the workers delivered in any order that rings allow: at most one connection is
 * served at a time, no QoS 1 message is lost, no QoS 2 message doubled, and each publisher's order
 * is kept.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Counter } from "../../../src/shared/metrics/counter-table.ts";
import {
  AttachStatus,
  InboxOp,
  type InboxPush,
  type InboxSession,
} from "../../../src/workers/inbox/inbox-api.ts";
import { ClaimStatus } from "../../../src/workers/session-dict/session-dict-api.ts";
import { InboxWorkers, message, payloadOf, receiver } from "../../helpers/service-workers.ts";

const CLIENT = "c";
const WORKERS = 3;

/**
 * The client application: what it got, and the QoS 2 identifiers it holds, which outlive its
 * connections.
 */
class Application {
  readonly got: string[] = [];
  readonly heldIds = new Set<number>();
}

/** One network connection and its session, from claim to release. */
class Connection implements InboxSession {
  readonly tenantId = "t";
  readonly clientId = CLIENT;
  epoch = 0;
  isOpen = true;
  isServed = false;
  readonly thread: number;
  readonly #workers: InboxWorkers;
  readonly #application: Application;
  /** What the client may still answer on this connection. */
  readonly #answers: (() => void)[] = [];

  constructor(workers: InboxWorkers, thread: number, application: Application) {
    this.#workers = workers;
    this.#application = application;
    this.thread = thread;
    this.#services.sessionDict.claim("t", CLIENT, "user", (status, epoch) => {
      if (status !== ClaimStatus.GRANTED) {
        this.isOpen = false;
        return;
      }
      this.epoch = epoch;
      if (this.isOpen) this.#attach();
      else this.#services.sessionDict.release("t", CLIENT, epoch);
    });
  }

  /** The connection breaks, or is kicked. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.isServed = false;
    this.#answers.length = 0;
    if (this.epoch === 0) return;
    this.#services.inboxClient.detach(this, -1, false, () => {
      this.#services.sessionDict.release("t", CLIENT, this.epoch);
    });
  }

  get canAnswer(): boolean {
    return this.#answers.length > 0;
  }

  answer(index: number): void {
    const [answer] = this.#answers.splice(index % Math.max(1, this.#answers.length), 1);
    answer?.();
  }

  handleInboxPush(push: InboxPush): void {
    assert.ok(this.isServed, "pushes come after the attach is answered");
    const { packetId, qos } = push;
    const payload = payloadOf(push.message);
    const { got, heldIds } = this.#application;
    if (payload === null) {
      this.#handlePubrel(packetId);
    } else if (qos === 1) {
      got.push(payload);
      this.#answers.push(() => this.#commit(InboxOp.ACKNOWLEDGED, packetId, null));
    } else {
      if (!heldIds.has(packetId)) got.push(payload);
      heldIds.add(packetId);
      const pubrec = () =>
        this.#commit(InboxOp.RECEIVED, packetId, () => {
          if (this.isOpen) this.#handlePubrel(packetId);
        });
      this.#answers.push(pubrec);
    }
  }

  handleInboxLost(): void {
    assert.fail("no worker dies here");
  }

  #handlePubrel(packetId: number): void {
    this.#application.heldIds.delete(packetId);
    this.#answers.push(() => this.#commit(InboxOp.ACKNOWLEDGED, packetId, null));
  }

  #commit(op: InboxOp, packetId: number, done: (() => void) | null): void {
    this.#services.inboxClient.commit(this, op, packetId, done);
  }

  #attach(): void {
    const request = {
      tenantId: "t",
      clientId: CLIENT,
      userId: "user",
      epoch: this.epoch,
      cleanStart: false,
      sessionExpirySeconds: 3600,
      receiveMaximum: 3,
      will: null,
    };
    this.#services.inboxClient.attach(request, this, (reply) => {
      if (!this.isOpen) return;
      assert.equal(reply.status, AttachStatus.ATTACHED);
      this.isServed = true;
    });
  }

  get #services() {
    return this.#workers.services(this.thread);
  }
}

class Simulation {
  readonly workers = new InboxWorkers(WORKERS);
  readonly application = new Application();
  readonly connections: Connection[] = [];
  /** Payloads by publishing worker, in order: "1.0.q2" is worker 1's first, QoS 2. */
  readonly sent: string[][] = [[], [], [], []];

  constructor() {
    for (let thread = 1; thread <= WORKERS; thread++) {
      this.workers.services(thread).sessionDict.onKick = (_tenantId, _clientId, epoch) => {
        this.connections.find((one) => one.epoch === epoch)!.close();
      };
    }
    // The inbox exists before the first publish.
    this.connect(1);
    this.workers.run();
  }

  connect(thread: number): void {
    this.connections.push(new Connection(this.workers, thread, this.application));
  }

  publish(thread: number, qos: number): void {
    const payload = `${thread}.${this.sent[thread]!.length}.q${qos}`;
    this.sent[thread]!.push(payload);
    const client = this.workers.services(thread).inboxClient;
    const incarnation = this.workers.incarnation(CLIENT);
    client.insert(message({ payload, qos }), [receiver(incarnation, { qos })], null);
  }

  answer(index: number): void {
    const able = this.connections.filter((connection) => connection.canAnswer);
    able[index % Math.max(1, able.length)]?.answer(index);
  }

  finish(): void {
    this.workers.run();
    this.connect(2);
    this.workers.run();
    while (this.connections.some((connection) => connection.canAnswer)) {
      this.answer(0);
      this.workers.run();
    }
  }
}

const thread = fc.integer({ min: 1, max: WORKERS });
const event = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant("publish" as const), thread, fc.nat(1)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("connect" as const), thread, fc.constant(0)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("break" as const), fc.nat(5), fc.constant(0)) },
  { weight: 5, arbitrary: fc.tuple(fc.constant("answer" as const), fc.nat(9), fc.constant(0)) },
  { weight: 9, arbitrary: fc.tuple(fc.constant("deliver" as const), thread, thread) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("flush" as const), thread, fc.constant(0)) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("propose" as const), thread, fc.constant(0)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("apply" as const), fc.constant(0), fc.constant(0)) },
);

function run(simulation: Simulation, [kind, a, b]: readonly [string, number, number]): void {
  const { workers, connections } = simulation;
  if (kind === "publish") simulation.publish(a, b + 1);
  else if (kind === "connect") simulation.connect(a);
  else if (kind === "break") connections.at(-1 - (a % connections.length))!.close();
  else if (kind === "answer") simulation.answer(a);
  else if (kind === "deliver") workers.mesh.deliver(a, b);
  else if (kind === "propose") workers.ranges.clients[a]!.flush();
  else if (kind === "apply") workers.ranges.run();
  else workers.services(a).flush();
}

test("session handover: nothing lost, QoS 2 never doubled, order kept, one connection served", () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 30, maxLength: 150, size: "max" }), (events) => {
      const simulation = new Simulation();
      for (const step of events) {
        run(simulation, step);
        const served = simulation.connections.filter((connection) => connection.isServed);
        assert.ok(served.length <= 1, "one connection is served");
      }
      simulation.finish();
      const { got } = simulation.application;
      for (const sent of simulation.sent) {
        const firstCopies = [...new Set(got)].filter((payload) => sent.includes(payload));
        assert.deepEqual(firstCopies, sent);
      }
      for (const payload of got.filter((one) => one.endsWith("q2"))) {
        assert.equal(got.filter((one) => one === payload).length, 1, `${payload} once`);
      }
      assert.equal(simulation.workers.total(Counter.INBOX_MESSAGES), 0);
    }),
    { numRuns: 150 },
  );
});
