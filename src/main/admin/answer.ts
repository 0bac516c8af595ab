/** What a route of the admin server answers with. */

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const JSON_TYPE = "application/json; charset=utf-8";

export function jsonAnswer(status: number, value: unknown): Answer {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

/** `code` is for programs, `message` for people. */
export function errorAnswer(status: number, code: string, message: string): Answer {
  return jsonAnswer(status, { error: code, message });
}
