/** Hides secrets in a configuration that is shown. File names are no secrets: what they hold is. */

const SECRET_KEY = /(^|_)(password|secret|token|key)$/;

/** A copy in which the value of every key that names a secret is "***". */
export function redact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => {
      return [key, SECRET_KEY.test(key) && typeof child === "string" ? "***" : redact(child)];
    }),
  );
}
