/** Memory that waiting messages may take on one worker: its share of what the process may hold. */

/** Bytes; new messages are refused beyond. */
export interface QueueBudget {
  readonly sessionBytes: number;
  readonly tenantBytes: number;
  readonly workerBytes: number;
}
