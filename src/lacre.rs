//! The one handle over a deployment's sessions: a façade over the parts of [`crate::sessions`].
//!
//! This room must never do a part's work, nor hand a part out.

mod timings;

pub use timings::Timed;

use crate::clock::{Clock, SystemClock, UnixSeconds};
use crate::entropy::{self, Entropy};
use crate::sessions::content_keys::ContentKeys;
use crate::sessions::csrf::CsrfToken;
use crate::sessions::end::{End, Ended};
use crate::sessions::forward::Forwarder;
use crate::sessions::grant::{Grant, IssueError, Issued, IssuedToken, Subject};
use crate::sessions::guard::{Explained, Guard, LiveSession, Refusal};
use crate::sessions::issue::Issuer;
use crate::sessions::keyring::{Keyring, KeyringError};
use crate::sessions::last_seen::{LastSeen, Notes};
use crate::sessions::list::{Listing, Of, Picked, Scanned, SessionInfo, SessionPage, Used};
use crate::sessions::newest::{Newest, Place};
use crate::sessions::profile::ProfileChange;
#[cfg(feature = "server")]
use crate::sessions::receipting::Receipts;
use crate::sessions::records::Records;
use crate::sessions::refresh::{RefreshError, Refresher};
use crate::sessions::revoke::Revoker;
use crate::sessions::rotation::{KeyStorage, Nowhere, Rotation, RotationError};
use crate::sessions::rules::Rules;
use crate::sessions::sweep::{Expired, Sweeper};
use crate::sessions::tokens::TokenMaker;
use crate::token::{Handle, TokenError, TokenKind};
use lacre_keystore::{Keystore, KeystoreError, LeaseReport, MasterKeyRing, RecordKey};
use rand::CryptoRng;
use serde_json::{Map, Value};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use timings::{Timings, timed};

/// How much memory content keys may take where nobody says otherwise.
pub(crate) const CONTENT_KEY_BYTES: u64 = 256 << 20;

/// Issues, verifies, refreshes, lists and revokes sessions. Cheap to clone; every clone is the same
/// deployment.
#[derive(Clone)]
pub struct Lacre(Arc<Parts>);

/// The handle of a deployment that isn't kept open by it.
#[cfg(feature = "server")]
pub(crate) struct WeakLacre(std::sync::Weak<Parts>);

#[cfg(feature = "server")]
impl WeakLacre {
    /// The handle; `None` once the last one has gone.
    pub(crate) fn upgrade(&self) -> Option<Lacre> {
        self.0.upgrade().map(Lacre)
    }
}

struct Parts {
    rules: Arc<Rules>,
    records: Records,
    entropy: Entropy,
    tokens: Arc<TokenMaker>,
    content_keys: Arc<ContentKeys>,
    issuer: Issuer,
    guard: Guard,
    forwarder: Forwarder,
    refresher: Refresher,
    listing: Arc<Listing>,
    revoker: Revoker,
    sweeper: Sweeper,
    last_seen: LastSeen,
    rotation: Rotation,
    #[cfg(feature = "server")]
    receipts: Option<Arc<Receipts>>,
    timings: Timings,
    notes: Notes,
    /// What the keystore's directory is locked with: held as long as the keystore, which stands
    /// above and is dropped first.
    _lock: Option<Lock>,
}

/// Something that is released by being dropped.
type Lock = Box<dyn std::any::Any + Send + Sync>;

impl Lacre {
    /// Puts a deployment together from its keystore, its keys and its rules.
    pub fn builder(keystore: Keystore, keyring: Keyring, rules: Rules) -> LacreBuilder {
        LacreBuilder {
            keystore,
            keyring,
            rules,
            clock: Arc::new(SystemClock::default()),
            entropy: entropy::system(),
            content_key_bytes: CONTENT_KEY_BYTES,
            storage: Box::new(Nowhere),
            lock: None,
            receipts: None,
        }
    }

    /// This handle, without keeping the deployment open.
    #[cfg(feature = "server")]
    pub(crate) fn downgrade(&self) -> WeakLacre {
        WeakLacre(Arc::downgrade(&self.0))
    }

    /// The rules that this deployment follows.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.0.rules
    }

    /// The keystore, for the operator's window.
    #[must_use]
    pub fn keystore(&self) -> &Keystore {
        self.0.records.keystore()
    }

    /// The time that this deployment goes by.
    pub(crate) fn now(&self) -> UnixSeconds {
        self.0.records.now()
    }

    /// The name of this deployment among others: the same for as long as its keyring is, and it
    /// tells nothing of it.
    pub(crate) fn deployment_name(&self) -> String {
        self.0.records.keyring().handles().name()
    }

    /// What rotates the keys, for the operators' room.
    pub(crate) fn rotation(&self) -> &Rotation {
        &self.0.rotation
    }

    /// For how many seconds the master key seals and the signing key signs, where that is known.
    #[cfg(feature = "server")]
    #[must_use]
    pub fn key_ages(&self) -> (Option<u64>, Option<u64>) {
        let (keyring, now) = (self.0.records.keyring(), self.now());
        let age = |since: u64| now.saturating_sub(since);
        let current = self.keystore().master_keys().current_id();
        let signers = keyring.signers();
        let signs = signers.iter().next().and_then(|signer| signer.times.since);
        (keyring.masters().since(current).map(age), signs.map(age))
    }

    /// The keyring, sealed under these master keys.
    pub(crate) fn sealed_keyring(&self, under: &MasterKeyRing) -> Result<Vec<u8>, KeyringError> {
        self.0.records.keyring().seal(under, &mut self.random())
    }

    /// A generator of randomness.
    pub(crate) fn random(&self) -> Box<dyn CryptoRng> {
        (self.0.entropy)()
    }

    /// The bytes of the longest token that was made since the start.
    #[must_use]
    pub fn largest_token(&self) -> usize {
        self.0.tokens.largest()
    }

    /// What was measured of this deployment's work since the start.
    #[must_use]
    pub fn timed(&self) -> Timed {
        Timed {
            issued: self.0.timings.issued.read(),
            opened: self.0.timings.opened.read(),
            content_keys: self.0.content_keys.kept(),
        }
    }

    /// Wipes the content keys of tokens in use; the next request of each works its own out anew.
    pub fn forget_content_keys(&self) {
        self.0.content_keys.clear();
    }
}

/// A session begins and is renewed.
impl Lacre {
    /// Begins a session and returns its tokens, after its record is durable.
    pub async fn issue(&self, grant: &Grant) -> Result<Issued, IssueError> {
        timed(&self.0.timings.issued, self.0.issuer.issue(grant)).await
    }

    /// Gives new tokens for a refresh token.
    ///
    /// `subject` says who the user is now, and is asked again whenever the record has changed, so
    /// that rights that were taken away meanwhile don't come back; `None` ends the session. Of a client's user
    /// ([`Occasion::OwnUser`](crate::Occasion::OwnUser)) it only says whether there still is one: the
    /// session has what the client says.
    pub async fn refresh<E>(
        &self,
        token: &[u8],
        subject: impl AsyncFn(&str) -> Result<Option<Subject>, E>,
    ) -> Result<Issued, RefreshError<E>> {
        self.0.refresher.refresh(token, subject).await
    }

    /// Gives a fresh access token to a session whose user has just proven the password: the same
    /// generation, no refresh token. `None` where the session has ended or was refreshed meanwhile.
    pub async fn renew_access(
        &self,
        session: &LiveSession,
        subject: &Subject,
    ) -> Result<Option<Issued>, IssueError> {
        self.0.refresher.renew_access(session, subject).await
    }
}

/// A session is verified.
impl Lacre {
    /// Verifies a token of this kind as it came in.
    pub async fn guard(&self, token: &[u8], kind: TokenKind) -> Result<LiveSession, Refusal> {
        self.0.guard.verify(token, kind).await
    }

    /// Verifies a token that was good before and whose record certainly hasn't changed, without
    /// waiting. `None` means nothing: the caller has to ask [`guard_known`](Self::guard_known).
    #[inline]
    pub(crate) fn guard_at_once(&self, token: &[u8], kind: TokenKind) -> Option<LiveSession> {
        self.0.guard.verify_at_once(token, kind)
    }

    /// Verifies a token that was good before. `None` means nothing: the caller has to ask
    /// [`guard_unknown`](Self::guard_unknown).
    pub(crate) async fn guard_known(&self, token: &[u8], kind: TokenKind) -> Option<LiveSession> {
        self.0.guard.verify_known(token, kind).await
    }

    /// Verifies a token by its session's record alone.
    pub(crate) async fn guard_unknown(
        &self,
        token: &[u8],
        kind: TokenKind,
    ) -> Result<LiveSession, Refusal> {
        timed(
            &self.0.timings.opened,
            self.0.guard.verify_unknown(token, kind),
        )
        .await
    }

    /// Says what verifying a token comes to, for operators.
    pub(crate) async fn explain(&self, token: &[u8]) -> Explained {
        self.0.guard.explain(token).await
    }

    /// Notes from where a session is used, for the record that is behind.
    pub(crate) fn note_address(&self, key: &RecordKey, address: IpAddr) {
        self.0.notes.note_address(key, address);
    }

    /// Signs a JWT that tells the service of this audience who came (RFC 9068): good for half a minute,
    /// and for nothing here. `session` is what the guard has just let in.
    pub(crate) fn forward(
        &self,
        session: &LiveSession,
        audience: &str,
    ) -> Result<IssuedToken, TokenError> {
        self.0.forwarder.sign(session, audience)
    }

    /// The public keys of those JWTs, as JWKs (RFC 7517).
    pub(crate) fn forwarding_keys(&self) -> Vec<Map<String, Value>> {
        self.0.forwarder.public_keys()
    }

    /// Makes a token against cross-site request forgery for a session's browser.
    pub(crate) fn csrf_token(&self, session: &Handle) -> CsrfToken {
        let csrf = self.0.records.keyring().csrf();
        csrf.make(session, &mut (self.0.entropy)())
    }

    /// Whether this is a token against cross-site request forgery of this session.
    pub(crate) fn verify_csrf_token(&self, session: &Handle, text: &[u8]) -> bool {
        self.0.records.keyring().csrf().verify(session, text)
    }
}

/// Sessions are listed.
impl Lacre {
    /// The live sessions of a user, the newest first.
    pub async fn sessions_of(&self, user_id: &str) -> Result<Vec<SessionInfo>, KeystoreError> {
        self.0.listing.sessions_of(user_id).await
    }

    /// A page of all live sessions, for operators.
    pub async fn all_sessions(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<SessionPage, KeystoreError> {
        self.0.listing.all_sessions(after, limit).await
    }

    /// A page of a user's live sessions in the order of their records, for operators.
    pub async fn page_of(
        &self,
        user_id: &str,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<SessionPage, KeystoreError> {
        self.0.listing.page_of(user_id, after, limit).await
    }

    /// One step of a scan of all records, or a user's, that tells `newest` of each live session that was
    /// used so.
    pub(crate) async fn scan(
        &self,
        of: Of<'_>,
        last_use: &Used,
        after: Option<RecordKey>,
        newest: &mut Newest,
    ) -> Result<Scanned, KeystoreError> {
        self.0.listing.scan(of, last_use, after, newest).await
    }

    /// The session at a place of a scan, if it is live and still the one that began then.
    pub(crate) async fn session_at(
        &self,
        place: &Place,
    ) -> Result<Option<SessionInfo>, KeystoreError> {
        self.0.listing.at(place).await
    }

    /// What [`revoke_user`](Self::revoke_user) would end now, expired and damaged ones included.
    pub async fn all_of(&self, user_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        self.0.listing.all_of(user_id).await
    }

    /// The handles that begin so, of records that are there, those that don't open included: at most
    /// `max`. It looks at the key of every record there is.
    pub async fn handles_beginning_with(
        &self,
        beginning: &str,
        max: usize,
    ) -> Result<Vec<Handle>, KeystoreError> {
        self.0.listing.beginning_with(beginning, max).await
    }

    /// What [`revoke_client`](Self::revoke_client) would end now.
    pub async fn all_of_client(&self, client_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        let mut all = Vec::new();
        let picked = Picked::AskedBy(client_id.to_owned());
        self.0
            .listing
            .all_picked(&picked, |page| all.extend(page))
            .await?;
        Ok(all)
    }

    /// The session of a record, and whether it has expired; `None` where there is no record.
    pub(crate) async fn recorded(
        &self,
        key: &RecordKey,
    ) -> Result<Option<(SessionInfo, bool)>, KeystoreError> {
        self.0.listing.recorded(key).await
    }

    /// The session that a handle names, if it is live.
    pub async fn session(&self, handle: &Handle) -> Result<Option<SessionInfo>, KeystoreError> {
        self.0.listing.session(handle).await
    }

    /// The record key of a handle, if the handle is of this user's session, live or gone. Nobody but
    /// the deployment can tell whose a handle is.
    #[must_use]
    pub fn owns(&self, user_id: &str, handle: &Handle) -> Option<RecordKey> {
        self.0.listing.owns(user_id, handle)
    }

    /// Whether this is the session that a client of the user's called so.
    #[must_use]
    pub(crate) fn is_called(&self, session: &LiveSession, user_session: &str) -> bool {
        let handles = self.0.records.keyring().handles();
        handles.named_session(session.user_id(), user_session) == session.key
    }

    /// The handle of the record with this key.
    #[must_use]
    pub fn handle_of(&self, key: &RecordKey) -> Handle {
        self.0.records.handle_of(key)
    }

    /// The key of the record that a handle leads to; `None` for a handle of another form than ours.
    #[must_use]
    pub fn key_of(&self, handle: &Handle) -> Option<RecordKey> {
        self.0.records.keyring().handles().record_key(handle)
    }
}

/// Sessions end. When a function here has returned, the end is durable.
impl Lacre {
    /// Ends the session of this record; `false` where it was gone already.
    pub async fn revoke(&self, key: &RecordKey) -> Result<bool, KeystoreError> {
        self.0.revoker.session(key, None).await
    }

    /// Ends the session of this handle; `false` where there is none.
    pub async fn revoke_handle(&self, handle: &Handle) -> Result<bool, KeystoreError> {
        self.0.revoker.handle(handle).await
    }

    /// Ends every session of a user, also one that doesn't open any more, and returns which: all of
    /// them or none, whatever happens meanwhile.
    pub async fn revoke_user(&self, user_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        self.0.revoker.user(user_id, None, None).await
    }

    /// Ends every session of a user but one, and returns which, as
    /// [`revoke_user`](Self::revoke_user) does.
    pub async fn revoke_user_but(
        &self,
        user_id: &str,
        keep: &RecordKey,
    ) -> Result<Vec<Handle>, KeystoreError> {
        self.0.revoker.user(user_id, Some(keep), None).await
    }

    /// Ends every session that a client asked for ([`Occasion::OnBehalf`]), and reports those of each
    /// step to `ended`. Returns how many there were. It looks at every record there is.
    ///
    /// [`Occasion::OnBehalf`]: crate::Occasion::OnBehalf
    pub async fn revoke_client(
        &self,
        client_id: &str,
        ended: impl FnMut(Vec<(String, Handle)>),
    ) -> Result<usize, KeystoreError> {
        let picked = Picked::AskedBy(client_id.to_owned());
        self.0.revoker.picked(&picked, None, ended).await
    }

    /// Ends every session that is picked out of all records, as
    /// [`revoke_client`](Self::revoke_client) does.
    pub(crate) async fn revoke_picked(
        &self,
        picked: &Picked,
        end: &End,
        ended: impl FnMut(Vec<(String, Handle)>),
    ) -> Result<usize, KeystoreError> {
        self.0.revoker.picked(picked, Some(end), ended).await
    }

    /// What [`revoke_picked`](Self::revoke_picked) would end now: each page of it goes to `each`.
    pub(crate) async fn all_picked(
        &self,
        picked: &Picked,
        each: impl FnMut(Vec<Handle>),
    ) -> Result<(), KeystoreError> {
        self.0.listing.all_picked(picked, each).await
    }

    /// Ends the sessions of a user that were begun by tokens of an outside issuer
    /// ([`Occasion::Outside`]), and returns which.
    ///
    /// [`Occasion::Outside`]: crate::Occasion::Outside
    pub async fn revoke_begun_through(
        &self,
        user_id: &str,
        issuer: &str,
    ) -> Result<Vec<Handle>, KeystoreError> {
        self.0.revoker.begun_through(user_id, issuer, None).await
    }

    /// Ends the access tokens of a user and leaves the sessions: the next refresh of each brings
    /// new ones, with the rights that the user has then.
    pub async fn revoke_access_of(&self, user_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        self.0.revoker.access_of(user_id).await
    }

    /// Returns when what has been read so far is known to every process that uses the store: to be waited for before
    /// an answer that a session had ended already.
    pub(crate) async fn settled(&self) -> Result<(), KeystoreError> {
        self.0.records.keystore().settled().await
    }

    /// Has the sessions of a client's user ([`Occasion::OwnUser`]) say what the client says now, and ends
    /// their access tokens. Returns the sessions that were changed.
    ///
    /// [`Occasion::OwnUser`]: crate::Occasion::OwnUser
    pub(crate) async fn tell(
        &self,
        user_id: &str,
        change: &ProfileChange,
    ) -> Result<Vec<Handle>, IssueError> {
        self.0.revoker.tell(user_id, change).await
    }

    /// Ends every session there is, and returns how many.
    pub async fn revoke_all(&self) -> Result<u64, KeystoreError> {
        self.0.revoker.all(None).await
    }
}

/// Sessions end, and why stays known for a while ([`Rules::explain_for`]).
impl Lacre {
    /// As [`revoke`](Self::revoke).
    pub(crate) async fn end(&self, key: &RecordKey, end: &End) -> Result<bool, KeystoreError> {
        self.0.revoker.session(key, Some(end)).await
    }

    /// As [`revoke_user`](Self::revoke_user), or [`revoke_user_but`](Self::revoke_user_but) where one is
    /// kept.
    pub(crate) async fn end_user(
        &self,
        user_id: &str,
        keep: Option<&RecordKey>,
        end: &End,
    ) -> Result<Vec<Handle>, KeystoreError> {
        self.0.revoker.user(user_id, keep, Some(end)).await
    }

    /// As [`revoke_begun_through`](Self::revoke_begun_through).
    pub(crate) async fn end_begun_through(
        &self,
        user_id: &str,
        issuer: &str,
        end: &End,
    ) -> Result<Vec<Handle>, KeystoreError> {
        self.0
            .revoker
            .begun_through(user_id, issuer, Some(end))
            .await
    }

    /// As [`revoke_all`](Self::revoke_all).
    pub(crate) async fn end_all(&self, end: &End) -> Result<u64, KeystoreError> {
        self.0.revoker.all(Some(end)).await
    }

    /// Why the session with this key ended, and by whom, if that is still known.
    pub(crate) async fn ended(&self, key: &RecordKey) -> Result<Option<Ended>, KeystoreError> {
        self.0.records.ended(key).await
    }

    /// The handles that begin so, of sessions of which that is known: at most `max`.
    pub(crate) async fn ended_beginning_with(
        &self,
        beginning: &str,
        max: usize,
    ) -> Result<Vec<Handle>, KeystoreError> {
        self.0.records.ended_beginning_with(beginning, max).await
    }
}

/// Receipts of ends.
#[cfg(feature = "server")]
impl Lacre {
    /// The receipts, where they are kept.
    pub(crate) fn receipts(&self) -> Option<&Arc<Receipts>> {
        self.0.receipts.as_ref()
    }

    /// Writes the receipts of all ends that are durable by now.
    pub(crate) async fn write_receipts(&self) {
        if let Some(receipts) = self.receipts() {
            // What fails is logged, and tried again.
            let _ = receipts.write().await;
        }
    }

    /// Writes receipts from now on, half a second or so after each end, for a task of its own. It must be
    /// stopped before the keystore is closed.
    pub async fn keep_receipts(self) {
        if let Some(receipts) = &self.0.receipts {
            Arc::clone(receipts).keep_writing().await;
        }
    }

    /// The number of the last receipt that is written, and the code of the error that keeps others from being
    /// written; `None` where none are kept.
    #[must_use]
    pub fn receipts_written(&self) -> Option<(u64, Option<&'static str>)> {
        let receipts = self.receipts()?;
        Some((
            receipts.written(),
            receipts.failing().map(|error| error.code()),
        ))
    }
}

/// Tasks that run beside the requests.
impl Lacre {
    /// Whether this process is to do now what one does for all that share the store; it is then nobody else's turn
    /// for so long.
    pub async fn takes_turn(
        &self,
        chore: &'static str,
        every: Duration,
    ) -> Result<bool, KeystoreError> {
        self.0.records.keystore().takes_turn(chore, every).await
    }

    /// How the lease fares by which this process goes on what it keeps; `None` where it has the store to itself.
    #[must_use]
    pub fn lease(&self) -> Option<LeaseReport> {
        self.0.records.keystore().lease()
    }

    /// Removes the records of sessions that are over, and returns how many.
    pub async fn sweep(&self) -> Result<usize, KeystoreError> {
        self.0.sweeper.sweep(|_| ()).await
    }

    /// Puts a new signing key in the place of the one that signs. Nobody is logged out: what earlier keys
    /// signed is accepted until it has expired; [`sweep_every`](Self::sweep_every) drops them then.
    pub async fn rotate_signing_key(&self) -> Result<(), RotationError> {
        self.0.rotation.rotate_signer(false).await.map(drop)
    }

    /// Puts a new master key in the place of the one that seals, seals everything anew under it, and removes
    /// the earlier one, which a backup of before needs. Nobody is logged out. Where the process ends
    /// meanwhile, [`sweep_every`](Self::sweep_every) of the next one goes on with it.
    pub async fn rotate_master_key(&self) -> Result<(), RotationError> {
        let begun = self.0.rotation.begin_master(false).await?;
        self.0
            .rotation
            .finish_master(begun, |_, _| ())
            .await
            .map(drop)
    }

    /// Brings a rotation of the master key to its end that was begun, and drops signing keys of which nothing
    /// is good any more.
    async fn tend_keys(&self) {
        let done = match self.0.rotation.go_on().await {
            Ok(_) | Err(RotationError::UnderWay) => self.0.rotation.drop_signers().await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            log::error!(code = error.code(); "keys are not rotated to the end: {error}");
        }
    }

    /// As [`sweep`](Self::sweep); reports the sessions of each step to `removed`.
    pub(crate) async fn sweep_reporting(
        &self,
        removed: impl FnMut(Vec<Expired>),
    ) -> Result<usize, KeystoreError> {
        self.0.sweeper.sweep(removed).await
    }

    /// Sweeps at once and then every so often, for a task of its own: never ends by itself.
    /// What fails is logged and tried again.
    pub async fn sweep_every(self, period: Duration) {
        let mut ticks = tokio::time::interval(period);
        loop {
            ticks.tick().await;
            self.tend_keys().await;
            match self.sweep().await {
                Ok(0) => {}
                Ok(swept) => log::debug!(swept; "expired sessions were swept"),
                Err(error) => log::error!(code = error.code(); "sweeping failed: {error}"),
            }
        }
    }

    /// Keeps [`SessionInfo::last_seen_at`] up to date, to the minute or so, for a task of its own on
    /// a runtime with timers. Of more than 15 000 sessions in use at once, each is as far behind as
    /// 256 writes a second make it: 100 000 take six minutes.
    ///
    /// Without it the time stays that of the log-in or the last refresh. It ends when the last
    /// clone of the handle is dropped, and doesn't keep the deployment open. A second one, beside
    /// or after the first, ends at once.
    pub fn keep_last_seen(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.last_seen.keep()
    }
}

#[cfg(test)]
pub(crate) mod testing;

impl fmt::Debug for Lacre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lacre")
            .field("rules", &self.0.rules)
            .finish_non_exhaustive()
    }
}

/// Builds a [`Lacre`]; time and randomness are the system's unless given.
#[must_use]
pub struct LacreBuilder {
    keystore: Keystore,
    keyring: Keyring,
    rules: Rules,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    content_key_bytes: u64,
    storage: Box<dyn KeyStorage>,
    lock: Option<Lock>,
    receipts: Option<PathBuf>,
}

impl LacreBuilder {
    /// Takes the time from `clock`.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes randomness from `entropy`.
    pub fn entropy(mut self, entropy: Entropy) -> Self {
        self.entropy = entropy;
        self
    }

    /// Keeps the content keys of tokens in use in at most so many bytes of memory, 0 for none: a
    /// token whose key isn't kept costs an ECDH and an ES256 verification at each request. The
    /// default is 256 MiB, room for some 150 000 tokens, which is taken as tokens are used.
    pub fn content_key_memory(mut self, bytes: u64) -> Self {
        self.content_key_bytes = bytes;
        self
    }

    /// Keeps keys that are rotated there.
    pub(crate) fn keys_in(mut self, storage: Box<dyn KeyStorage>) -> Self {
        self.storage = storage;
        self
    }

    /// Keeps receipts of ends in this file.
    #[cfg(feature = "server")]
    pub(crate) fn receipts(mut self, file: PathBuf) -> Self {
        self.receipts = Some(file);
        self
    }

    /// Keeps `lock` until the last clone of the handle is gone.
    pub(crate) fn holding(mut self, lock: impl Send + Sync + 'static) -> Self {
        self.lock = Some(Box::new(lock));
        self
    }

    /// The finished handle.
    #[must_use]
    pub fn build(self) -> Lacre {
        let rules = Arc::new(self.rules);
        let keyring = Arc::new(self.keyring);
        let content_keys = ContentKeys::of(&self.keystore, self.content_key_bytes);
        let records = Records::new(self.keystore, Arc::clone(&keyring), self.clock)
            .explaining(rules.explain_for > 0)
            .receipting(self.receipts.is_some());
        let entropy = self.entropy;
        #[cfg(feature = "server")]
        let receipts = self
            .receipts
            .map(|file| Receipts::new(records.clone(), file, &mut entropy()));
        let tokens = Arc::new(TokenMaker::new(
            Arc::clone(&rules),
            keyring,
            Entropy::clone(&entropy),
        ));
        let (last_seen, notes) = LastSeen::new(records.clone());
        let listing = Arc::new(Listing::new(records.clone()));
        Lacre(Arc::new(Parts {
            issuer: Issuer::new(
                Arc::clone(&rules),
                records.clone(),
                Entropy::clone(&entropy),
                Arc::clone(&tokens),
                Arc::clone(&content_keys),
            ),
            guard: Guard::new(
                Arc::clone(&rules),
                records.clone(),
                Arc::clone(&content_keys),
                notes.clone(),
            ),
            notes,
            forwarder: Forwarder::new(
                Arc::clone(&rules),
                records.clone(),
                Entropy::clone(&entropy),
            ),
            refresher: Refresher::new(Arc::clone(&rules), records.clone(), Arc::clone(&tokens)),
            revoker: Revoker::new(records.clone(), Arc::clone(&listing)),
            sweeper: Sweeper::new(records.clone(), rules.explain_for),
            last_seen,
            #[cfg(feature = "server")]
            rotation: Rotation::new(
                records.clone(),
                Arc::clone(&rules),
                Entropy::clone(&entropy),
                self.storage,
            )
            .handing_over(receipts.clone()),
            #[cfg(not(feature = "server"))]
            rotation: Rotation::new(
                records.clone(),
                Arc::clone(&rules),
                Entropy::clone(&entropy),
                self.storage,
            ),
            #[cfg(feature = "server")]
            receipts,
            timings: Timings::default(),
            listing,
            rules,
            records,
            entropy,
            tokens,
            content_keys,
            _lock: self.lock,
        }))
    }
}
