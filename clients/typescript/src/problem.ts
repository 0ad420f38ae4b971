// An answer that says why not, as an error of JavaScript (RFC 9457).
import type { Code } from "./api.js";
import { retryAfter } from "./waiting.js";

/** The service, or what stands before it, has refused. */
export class LacreError extends Error {
  override readonly name = "LacreError";
  /** The stable name of the error; `unknown` where the answer wasn't one of lacre's. */
  readonly code: Code | "unknown" | "cookies_not_kept";
  /** The status of the answer. */
  readonly status: number;
  /** The member of the request that is at fault. */
  readonly field: string | undefined;
  /** What the caller lacks: a role, a permission, or a fresh log-in. */
  readonly missing: unknown;
  /** The name of the request in the service's log. */
  readonly requestId: string | undefined;
  /** Milliseconds after which to try again, where the service says so. */
  readonly retryAfter: number | undefined;

  constructor(
    status: number,
    code: LacreError["code"],
    detail: string,
    more: { field?: unknown; missing?: unknown; requestId?: unknown; retryAfter?: number | undefined } = {},
  ) {
    super(detail);
    this.status = status;
    this.code = code;
    this.field = text(more.field);
    this.missing = more.missing;
    this.requestId = text(more.requestId);
    this.retryAfter = more.retryAfter;
  }
}

/** Reads the body of an answer that isn't a success. */
export async function errorOf(answer: Response): Promise<LacreError> {
  const problem = await problemOf(answer);
  const detail = text(problem["detail"]) ?? `the answer was ${answer.status}`;
  return new LacreError(answer.status, (text(problem["code"]) as Code | undefined) ?? "unknown", detail, {
    field: problem["field"],
    missing: problem["missing"],
    requestId: problem["request_id"],
    retryAfter: retryAfter(answer.headers, Date.now()),
  });
}

/** The members of the problem in the body, which is read; none where it is something else. */
export async function problemOf(answer: Response): Promise<Record<string, unknown>> {
  try {
    const value: unknown = await answer.json();
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
