/**
 * Which worker serves which store. The number of stores is fixed at the first start, that of
 * workers may change with every start; so a worker serves one store, several, or none.
 */

/** The thread (1..workerCount) that serves store `storeId` (1..). */
export function storeThread(storeId: number, workerCount: number): number {
  return 1 + ((storeId - 1) % workerCount);
}

/** The stores, of `storeCount`, that `thread` (1..workerCount) serves; ascending. */
export function storesOfThread(thread: number, workerCount: number, storeCount: number): number[] {
  const stores: number[] = [];
  for (let id = thread; id <= storeCount; id += workerCount) stores.push(id);
  return stores;
}
