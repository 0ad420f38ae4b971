// Made from docs/openapi.json by scripts/types.js; don't edit it by hand.

/** What each route takes and answers, and the codes of its errors. */
export interface Routes {
  /** Makes an account, where the deployment lets strangers do so. */
  "POST /signup": {
    body: { email: string; password: string; name?: string };
    answer: { id: string; email: string; name: string | null; role: string; roles: string[]; permissions: string[]; active: boolean };
    codes: "body_malformed" | "body_not_utf8" | "body_missing_member" | "body_wrong_type" | "body_too_many_members" | "signup_closed" | "request_timeout" | "account_exists" | "body_too_large" | "uri_too_long" | "unsupported_media_type" | "account_invalid" | "rate_limited" | "header_too_large" | "internal_error" | "hashing_busy" | "store_unavailable" | "audit_unavailable";
  };
  /** Begins a session: for a user by a password or a token of an outside issuer, for a back end (HTTP Basic) by an id, that of an account or of a user of its own. */
  "POST /getToken": {
    body: { label?: string; user_session?: string; claims?: Record<string, unknown>; email: string; id?: string; password: string } | { label?: string; user_session?: string; claims?: Record<string, unknown>; email?: string; id: string; password: string } | { label?: string; user_session?: string; claims?: Record<string, unknown>; id: string } | { label?: string; user_session?: string; claims?: Record<string, unknown>; id: string; email?: string; name?: string; roles?: string[]; permissions?: string[]; fresh?: boolean } | { label?: string; user_session: string };
    answer: { auth: string; crt: string; token_type: string; expires_in: number; refresh?: string; refresh_expires_in?: number };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_missing_member" | "body_wrong_type" | "body_too_many_members" | "invalid_client" | "invalid_credentials" | "csrf_failed" | "request_timeout" | "body_too_large" | "uri_too_long" | "unsupported_media_type" | "user_invalid" | "claims_invalid" | "rate_limited" | "header_too_large" | "internal_error" | "hashing_busy" | "store_unavailable" | "audit_unavailable";
  };
  /** Begins a session: for a user by a password or a token of an outside issuer, for a back end (HTTP Basic) by an id, that of an account or of a user of its own. */
  "POST /login": {
    body: { label?: string; user_session?: string; claims?: Record<string, unknown>; email: string; id?: string; password: string } | { label?: string; user_session?: string; claims?: Record<string, unknown>; email?: string; id: string; password: string } | { label?: string; user_session?: string; claims?: Record<string, unknown>; id: string } | { label?: string; user_session?: string; claims?: Record<string, unknown>; id: string; email?: string; name?: string; roles?: string[]; permissions?: string[]; fresh?: boolean } | { label?: string; user_session: string };
    answer: { auth: string; crt: string; token_type: string; expires_in: number; refresh?: string; refresh_expires_in?: number };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_missing_member" | "body_wrong_type" | "body_too_many_members" | "invalid_client" | "invalid_credentials" | "csrf_failed" | "request_timeout" | "body_too_large" | "uri_too_long" | "unsupported_media_type" | "user_invalid" | "claims_invalid" | "rate_limited" | "header_too_large" | "internal_error" | "hashing_busy" | "store_unavailable" | "audit_unavailable";
  };
  /** This description. */
  "GET /openapi.json": {
    answer: Record<string, unknown>;
    codes: "uri_too_long" | "header_too_large" | "internal_error";
  };
  /** For everyone; says whose token came, if one did. */
  "GET /open": {
    answer: { user: { id: string; issuer?: string; email: string | null; role: string | null; roles: string[]; permissions: string[] } | null };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "invalid_token" | "insufficient_scope" | "csrf_failed" | "request_timeout" | "body_too_large" | "uri_too_long" | "header_too_large" | "internal_error" | "store_unavailable";
  };
  /** Says that the token was good. */
  "GET /headers": {
    answer: string;
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "insufficient_scope" | "csrf_failed" | "request_timeout" | "body_too_large" | "uri_too_long" | "header_too_large" | "internal_error" | "store_unavailable";
  };
  /** The caller's account as it is now, and the session that asks. */
  "GET /me": {
    answer: { id: string; email: string; name: string | null; role: string; roles: string[]; permissions: string[]; active: boolean; session: { crt: string; created_at: string; expires_at: string; fresh: boolean; claims?: Record<string, unknown> } };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "insufficient_scope" | "csrf_failed" | "request_timeout" | "body_too_large" | "uri_too_long" | "header_too_large" | "internal_error" | "store_unavailable";
  };
  /** New tokens for a session; the access token of before is refused from now on. */
  "POST /refresh": {
    body?: { refresh?: string };
    answer: { auth: string; crt: string; token_type: string; expires_in: number; refresh?: string; refresh_expires_in?: number };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "csrf_failed" | "request_timeout" | "body_too_large" | "uri_too_long" | "unsupported_media_type" | "claims_invalid" | "header_too_large" | "internal_error" | "store_unavailable" | "audit_unavailable";
  };
  /** Proves the password once more: a fresh access token for this session. */
  "POST /reauth": {
    body: { password: string };
    answer: { auth: string; crt: string; token_type: string; expires_in: number; refresh?: string; refresh_expires_in?: number };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_missing_member" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "invalid_credentials" | "insufficient_scope" | "csrf_failed" | "request_timeout" | "body_too_large" | "uri_too_long" | "unsupported_media_type" | "claims_invalid" | "rate_limited" | "header_too_large" | "internal_error" | "hashing_busy" | "store_unavailable" | "audit_unavailable";
  };
  /** Changes the caller's own password; every other session of the user ends. */
  "PUT /me/password": {
    body: { current: string; new: string };
    answer: undefined;
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_missing_member" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "invalid_credentials" | "insufficient_scope" | "csrf_failed" | "not_found" | "request_timeout" | "body_too_large" | "uri_too_long" | "unsupported_media_type" | "account_invalid" | "rate_limited" | "header_too_large" | "internal_error" | "hashing_busy" | "store_unavailable" | "audit_unavailable";
  };
  /** Revokes the session that asks. */
  "POST /logout": {
    answer: undefined;
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "csrf_failed" | "request_timeout" | "body_too_large" | "uri_too_long" | "header_too_large" | "internal_error" | "store_unavailable" | "audit_unavailable";
  };
  /** The caller's sessions, the newest first. */
  "GET /sessions": {
    answer: ({ crt: string; created_at: string; last_seen_at: string; expires_at: string; ip: string | null; user_agent: string | null; label: string | null; current: boolean })[];
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "csrf_failed" | "request_timeout" | "body_too_large" | "uri_too_long" | "header_too_large" | "internal_error" | "store_unavailable";
  };
  /** Revokes the caller's sessions, with `except=current` all but the one that asks. */
  "DELETE /sessions": {
    query?: { except?: string };
    answer: { revoked: number };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "csrf_failed" | "request_timeout" | "body_too_large" | "uri_too_long" | "header_too_large" | "internal_error" | "store_unavailable" | "audit_unavailable";
  };
  /** Revokes one of the caller's sessions. */
  "DELETE /sessions/{crt}": {
    path: { crt: string };
    answer: undefined;
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "csrf_failed" | "not_found" | "request_timeout" | "body_too_large" | "uri_too_long" | "header_too_large" | "internal_error" | "store_unavailable" | "audit_unavailable";
  };
  /** A page of accounts in the order of their ids. */
  "GET /admin/users": {
    query?: { limit?: string; after?: string; q?: string };
    answer: { users: ({ id: string; email: string; name: string | null; role: string; roles: string[]; permissions: string[]; active: boolean; created_at: string; updated_at: string })[]; next: string | null };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "insufficient_scope" | "csrf_failed" | "request_timeout" | "body_too_large" | "uri_too_long" | "header_too_large" | "internal_error" | "store_unavailable";
  };
  /** Makes an account. */
  "POST /admin/users": {
    body: { email: string; id?: string; password?: string; role?: string; roles?: string[]; permissions?: string[]; active?: boolean; name?: string };
    answer: { id: string; email: string; name: string | null; role: string; roles: string[]; permissions: string[]; active: boolean; created_at: string; updated_at: string };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_missing_member" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "insufficient_scope" | "csrf_failed" | "request_timeout" | "account_exists" | "body_too_large" | "uri_too_long" | "unsupported_media_type" | "account_invalid" | "header_too_large" | "internal_error" | "hashing_busy" | "store_unavailable" | "audit_unavailable";
  };
  /** An account. */
  "GET /admin/users/{id}": {
    path: { id: string };
    answer: { id: string; email: string; name: string | null; role: string; roles: string[]; permissions: string[]; active: boolean; created_at: string; updated_at: string };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "insufficient_scope" | "csrf_failed" | "not_found" | "request_timeout" | "body_too_large" | "uri_too_long" | "header_too_large" | "internal_error" | "store_unavailable";
  };
  /** Changes what the body names, and ends the sessions that the change ends. */
  "PUT /admin/users/{id}": {
    path: { id: string };
    body: { name?: string; role?: string; roles?: string[]; permissions?: string[]; active?: boolean; password?: string };
    answer: { id: string; email: string; name: string | null; role: string; roles: string[]; permissions: string[]; active: boolean; created_at: string; updated_at: string };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_missing_member" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "insufficient_scope" | "csrf_failed" | "not_found" | "request_timeout" | "own_account" | "last_administrator" | "body_too_large" | "uri_too_long" | "unsupported_media_type" | "account_invalid" | "header_too_large" | "internal_error" | "hashing_busy" | "store_unavailable" | "audit_unavailable";
  };
  /** Deletes an account and ends its sessions. */
  "DELETE /admin/users/{id}": {
    path: { id: string };
    answer: undefined;
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "insufficient_scope" | "csrf_failed" | "not_found" | "request_timeout" | "own_account" | "last_administrator" | "body_too_large" | "uri_too_long" | "header_too_large" | "internal_error" | "store_unavailable" | "audit_unavailable";
  };
  /** The sessions of a user, the newest first. */
  "GET /admin/users/{id}/sessions": {
    path: { id: string };
    answer: ({ crt: string; created_at: string; last_seen_at: string; expires_at: string; ip: string | null; user_agent: string | null; label: string | null; current: boolean })[];
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "insufficient_scope" | "csrf_failed" | "not_found" | "request_timeout" | "body_too_large" | "uri_too_long" | "header_too_large" | "internal_error" | "store_unavailable";
  };
  /** Revokes all sessions of a user. */
  "DELETE /admin/users/{id}/sessions": {
    path: { id: string };
    answer: { revoked: number };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_wrong_type" | "body_too_many_members" | "no_credentials" | "invalid_token" | "insufficient_scope" | "csrf_failed" | "not_found" | "request_timeout" | "body_too_large" | "uri_too_long" | "header_too_large" | "internal_error" | "store_unavailable" | "audit_unavailable";
  };
  /** Says anew who a user of the client's own is; earlier access tokens end, and a refresh brings what is said. */
  "PUT /client/users/{id}": {
    path: { id: string };
    body: { email?: string; name?: string; roles?: string[]; permissions?: string[] };
    answer: { changed: number };
    codes: "invalid_request" | "body_malformed" | "body_not_utf8" | "body_missing_member" | "body_wrong_type" | "body_too_many_members" | "invalid_client" | "no_own_users" | "request_timeout" | "body_too_large" | "uri_too_long" | "unsupported_media_type" | "user_invalid" | "rate_limited" | "header_too_large" | "internal_error" | "store_unavailable" | "audit_unavailable";
  };
  /** The sessions of a user of the client's own, the newest first. */
  "GET /client/users/{id}/sessions": {
    path: { id: string };
    answer: ({ crt: string; created_at: string; last_seen_at: string; expires_at: string; ip: string | null; user_agent: string | null; label: string | null; current: boolean })[];
    codes: "invalid_request" | "invalid_client" | "no_own_users" | "uri_too_long" | "user_invalid" | "rate_limited" | "header_too_large" | "internal_error" | "store_unavailable";
  };
  /** Revokes the sessions of a user of the client's own, with `except` all but the one with this handle. */
  "DELETE /client/users/{id}/sessions": {
    path: { id: string };
    query?: { except?: string };
    answer: { revoked: number };
    codes: "invalid_request" | "invalid_client" | "no_own_users" | "not_found" | "uri_too_long" | "user_invalid" | "rate_limited" | "header_too_large" | "internal_error" | "store_unavailable" | "audit_unavailable";
  };
  /** Revokes a session of a user of the client's own. */
  "DELETE /client/users/{id}/sessions/{crt}": {
    path: { id: string; crt: string };
    answer: undefined;
    codes: "invalid_request" | "invalid_client" | "no_own_users" | "not_found" | "uri_too_long" | "user_invalid" | "rate_limited" | "header_too_large" | "internal_error" | "store_unavailable" | "audit_unavailable";
  };
}

/** The stable name of an error of the service. */
export type Code =
  | "account_exists"
  | "account_invalid"
  | "audit_unavailable"
  | "body_malformed"
  | "body_missing_member"
  | "body_not_utf8"
  | "body_too_large"
  | "body_too_many_members"
  | "body_wrong_type"
  | "claims_invalid"
  | "csrf_failed"
  | "hashing_busy"
  | "header_too_large"
  | "insufficient_scope"
  | "internal_error"
  | "invalid_client"
  | "invalid_credentials"
  | "invalid_request"
  | "invalid_token"
  | "last_administrator"
  | "no_credentials"
  | "no_own_users"
  | "not_found"
  | "own_account"
  | "rate_limited"
  | "request_timeout"
  | "signup_closed"
  | "store_unavailable"
  | "unsupported_media_type"
  | "uri_too_long"
  | "user_invalid";
