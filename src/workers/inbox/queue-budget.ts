/** What waiting messages of stored sessions may take, in bytes; new ones are refused beyond. */

export interface QueueBudget {
  readonly sessionBytes: number;
  readonly tenantBytes: number;
  readonly processBytes: number;
}
