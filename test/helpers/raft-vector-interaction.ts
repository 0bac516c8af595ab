/**
 * Answers the directives of interaction vectors: a handful of replicas, a network that delivers
 * when told to, and everything they say as text.
 */

import { NO_BYTES } from "../../src/shared/bytes/copy-bytes.ts";
import { type ConfChange, isVoter, Transition } from "../../src/shared/raft/conf-state.ts";
import { UNLIMITED } from "../../src/shared/raft/entry.ts";
import { ProposalStatus } from "../../src/shared/raft/leader-proposals.ts";
import { createMessage, MessageType } from "../../src/shared/raft/message.ts";
import { DEFAULT_RAFT_OPTIONS, type RaftOptions } from "../../src/shared/raft/options.ts";
import { entryText, indent, OLD_FORM, parseSteps, progressText, roleText } from "./raft-text.ts";
import {
  type Directive,
  numbersOf,
  parseDirective,
  type VectorCase,
  valuesOf,
} from "./raft-vector-file.ts";
import { type Delivery, messageDelivery, VectorNode } from "./raft-vector-node.ts";

/** What the vectors take for granted: short timeouts and no limits. */
const VECTOR_OPTIONS: RaftOptions = {
  ...DEFAULT_RAFT_OPTIONS,
  electionTicks: 3,
  heartbeatTicks: 1,
  preVote: false,
  checkQuorum: false,
  maxMessageBytes: UNLIMITED,
  maxInflightMessages: 0x7fff_ffff,
  maxInflightBytes: UNLIMITED,
  maxUncommittedBytes: UNLIMITED,
  maxApplyingBytes: UNLIMITED,
  forwardsProposals: true,
  stepsDownOnRemoval: false,
  notifiesRemoved: false,
  holdsVoteAtStart: false,
};

const DROPPED = "raft proposal dropped";

/** One per file. */
export class InteractionVectors {
  readonly #nodes: VectorNode[] = [];
  #network: Delivery[] = [];
  #isQuiet = false;

  answer(testCase: VectorCase): string {
    if (testCase.name === "propose-conf-change") {
      return this.#proposeConfChange(testCase, testCase.input);
    }
    // Input lines of all other directives are further directives.
    const more = testCase.input.split("\n").filter((line) => line.trim() !== "");
    const texts = [testCase, ...more.map(parseDirective)].map((directive) => this.#run(directive));
    return texts.filter((text) => text !== "").join("\n");
  }

  /** Errors are told even when the vector wants to hear nothing else. */
  #run(directive: Directive): string {
    const wasQuiet = this.#isQuiet;
    const text = this.#perform(directive);
    const isTold = directive.name === "propose" || !(wasQuiet || this.#isQuiet);
    return isTold ? text : "";
  }

  #perform(directive: Directive): string {
    const [first, second] = numbersOf(directive);
    switch (directive.name) {
      case "_breakpoint":
        return "";
      case "log-level":
        this.#isQuiet = directive.arguments[0]?.key.toLowerCase() === "none";
        return "";
      case "add-nodes":
        return this.#addNodes(first!, directive);
      case "stabilize":
        return this.#stabilizeQuietly(directive);
      case "deliver-msgs":
        return this.#deliverMessages(directive);
      case "process-ready":
        return this.#forEach(directive, "handling Ready", (node) =>
          node.processReady(this.#network),
        );
      case "process-append-thread":
        return this.#forEach(directive, "processing append thread", (node) =>
          node.processAppend(this.#network),
        );
      case "process-apply-thread":
        return this.#forEach(directive, "processing apply thread", (node) =>
          node.processApply(this.#network),
        );
      case "raft-state":
        return this.#nodes.map(stateText).join("\n");
      case "propose":
        return this.#propose(first!, directive.arguments[1]!.key);
      case "send-snapshot":
        return this.#sendSnapshot(first!, second!);
      default:
        return this.#performOnNode(directive);
    }
  }

  #performOnNode(directive: Directive): string {
    const [first, second] = numbersOf(directive);
    const from = valuesOf(directive, "from")?.[0];
    const node = this.#node(first ?? Number(from));
    const { core, options } = node;
    switch (directive.name) {
      case "campaign":
        core.campaign();
        return "";
      case "compact":
        node.storage.compact(second!, node.newestSnapshot.conf);
        return logText(node);
      case "tick-election":
        for (let i = 0; i < options.electionTicks; i++) core.tick(0);
        return "";
      case "tick-heartbeat":
        for (let i = 0; i < options.heartbeatTicks; i++) core.tick(0);
        return "";
      case "set-randomized-election-timeout":
        core.setElectionTimeout(Number(valuesOf(directive, "timeout")![0]));
        return "";
      case "transfer-leadership":
        core.transferLeadership(Number(valuesOf(directive, "to")![0]));
        return "";
      case "forget-leader":
        core.forgetLeader();
        return "";
      case "report-unreachable":
        core.reportUnreachable(second!);
        return "";
      case "raft-log":
        return logText(node);
      case "status":
        return core
          .status()
          .members.map((member) => `${member.id}: ${progressText(member, true)}`)
          .join("\n");
      default:
        return `unknown directive ${directive.name}`;
    }
  }

  #addNodes(count: number, directive: Directive): string {
    const number = (key: string, absent: number) => Number(valuesOf(directive, key)?.[0] ?? absent);
    const flag = (key: string) => valuesOf(directive, key)?.[0] === "true";
    const ids = (key: string) => (valuesOf(directive, key) ?? []).map(Number).filter(Boolean);
    const isAsync = flag("async-storage-writes");
    const options: RaftOptions = {
      ...VECTOR_OPTIONS,
      preVote: flag("prevote"),
      checkQuorum: flag("checkquorum"),
      leaseReads: valuesOf(directive, "read-only")?.[0] === "lease-based",
      maxInflightMessages: number("inflight", VECTOR_OPTIONS.maxInflightMessages),
      maxApplyingBytes: number("max-committed-size-per-ready", VECTOR_OPTIONS.maxApplyingBytes),
      validatesConfChanges: !flag("disable-conf-change-validation"),
      stepsDownOnRemoval: flag("step-down-on-removal"),
      appliesUnstable: !isAsync,
    };
    const index = number("index", 0);
    const conf = {
      voters: ids("voters"),
      outgoing: [],
      learners: ids("learners"),
      learnersNext: [],
      autoLeave: false,
    };
    const start = { index, term: index > 0 ? 1 : 0, conf, data: NO_BYTES };
    for (let i = 0; i < count; i++) {
      this.#nodes.push(new VectorNode(this.#nodes.length + 1, options, start, isAsync));
    }
    return "";
  }

  #propose(id: number, text: string): string {
    const status = this.#node(id).core.propose([new TextEncoder().encode(text)]);
    return isTaken(status) ? "" : DROPPED;
  }

  #proposeConfChange(directive: Directive, input: string): string {
    const [id] = numbersOf(directive);
    const change: ConfChange = {
      transition: transitionOf(valuesOf(directive, "transition")?.[0] ?? "auto"),
      steps: parseSteps(input),
      context: valuesOf(directive, "v1")?.[0] === "true" ? OLD_FORM : NO_BYTES,
    };
    return isTaken(this.#node(id!).core.proposeConfChange(change)) ? "" : DROPPED;
  }

  #sendSnapshot(from: number, to: number): string {
    const message = createMessage(MessageType.SNAPSHOT, to);
    message.from = from;
    message.term = this.#node(from).core.term;
    message.snapshot = this.#node(from).newestSnapshot;
    const delivery = messageDelivery(message);
    this.#network.push(delivery);
    return delivery.text;
  }

  #deliverMessages(directive: Directive): string {
    const type = valuesOf(directive, "type")?.[0];
    const texts = [
      ...numbersOf(directive).map((id) => this.#deliverTo(id, type)),
      ...(valuesOf(directive, "drop") ?? []).map((id) => this.#dropTo(Number(id), type)),
    ].filter((text) => text !== "");
    return texts.length === 0 ? "no messages" : texts.join("\n");
  }

  #deliverTo(id: number, type?: string): string {
    const texts = this.#takeFrom(({ to, text }) => to === id && isOfType(text, type)).map(
      (delivery) => {
        const error = delivery.deliver(this.#node(id));
        return error === "" ? delivery.text : `${delivery.text}\n${error}`;
      },
    );
    return texts.join("\n");
  }

  #dropTo(id: number, type?: string): string {
    const dropped = this.#takeFrom(
      ({ to, text, isLocal }) => to === id && !isLocal && isOfType(text, type),
    );
    return dropped.map(({ text }) => `dropped: ${text}`).join("\n");
  }

  #takeFrom(isWanted: (delivery: Delivery) => boolean): Delivery[] {
    const taken = this.#network.filter(isWanted);
    this.#network = this.#network.filter((delivery) => !isWanted(delivery));
    return taken;
  }

  #stabilizeQuietly(directive: Directive): string {
    const ids = numbersOf(directive);
    const nodes = ids.length === 0 ? [...this.#nodes] : ids.map((id) => this.#node(id));
    const text = this.#stabilize(nodes);
    return valuesOf(directive, "log-level")?.[0]?.toLowerCase() === "none" ? "" : text;
  }

  /** Ready handling, deliveries and storage work in turns, until nothing is left to do. */
  #stabilize(nodes: readonly VectorNode[]): string {
    const texts: string[] = [];
    const turn = (
      what: string,
      hasWork: (node: VectorNode) => boolean,
      work: (node: VectorNode) => string,
    ) => {
      let isBusy = false;
      for (const node of nodes) {
        if (!hasWork(node)) continue;
        texts.push(`> ${node.id} ${what}`, indent(work(node)));
        isBusy = true;
      }
      return isBusy;
    };
    for (let rounds = 0; rounds < 10_000; rounds++) {
      const wasBusy = [
        turn(
          "handling Ready",
          ({ core }) => core.hasReady,
          (node) => node.processReady(this.#network),
        ),
        turn(
          "receiving messages",
          ({ id }) => this.#network.some(({ to }) => to === id),
          ({ id }) => this.#deliverTo(id),
        ),
        turn(
          "processing append thread",
          ({ appendWork }) => appendWork.length > 0,
          (node) => this.#drain(node.appendWork, () => node.processAppend(this.#network)),
        ),
        turn(
          "processing apply thread",
          ({ applyWork }) => applyWork.length > 0,
          (node) => this.#drain(node.applyWork, () => node.processApply(this.#network)),
        ),
      ];
      if (!wasBusy.includes(true)) return texts.join("\n");
    }
    return "never stable";
  }

  #drain(work: readonly unknown[], once: () => string): string {
    const texts: string[] = [];
    while (work.length > 0) texts.push(once());
    return texts.join("\n");
  }

  #forEach(directive: Directive, what: string, work: (node: VectorNode) => string): string {
    const ids = numbersOf(directive);
    if (ids.length === 1) return work(this.#node(ids[0]!));
    return ids.map((id) => `> ${id} ${what}\n${indent(work(this.#node(id)))}`).join("\n");
  }

  #node(id: number): VectorNode {
    const node = this.#nodes[id - 1];
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }
}

function isTaken(status: ProposalStatus): boolean {
  return status <= ProposalStatus.CONF_REFUSED;
}

function isOfType(text: string, type?: string): boolean {
  return type === undefined || text.split(" ")[1] === type;
}

function transitionOf(name: string): Transition {
  if (name === "implicit") return Transition.JOINT_IMPLICIT;
  return name === "explicit" ? Transition.JOINT_EXPLICIT : Transition.AUTO;
}

function stateText({ core }: VectorNode): string {
  const membership = isVoter(core.conf, core.id) ? "(Voter)" : "(Non-Voter)";
  return `${core.id}: ${roleText(core.role)} ${membership} Term:${core.term} Lead:${core.leader}`;
}

function logText({ storage }: VectorNode): string {
  if (storage.all.length > 0) return storage.all.map(entryText).join("\n");
  return `log is empty: first index=${storage.firstIndex()}, last index=${storage.lastIndex()}`;
}
