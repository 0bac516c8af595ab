/** Small things that whoever keeps a range needs to do with keys. */

/** The smallest key above `key`: where a scan goes on. */
export function behind(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** The key as a string of one unit per byte: for maps. */
export function nameOf(key: Uint8Array): string {
  let name = "";
  for (let i = 0; i < key.length; i++) name += String.fromCharCode(key[i]!);
  return name;
}
