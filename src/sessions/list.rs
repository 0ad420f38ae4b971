//! Sessions as their users and operators see them.
//!
//! This room must never show a key, neither half, and never hide a record that doesn't open.

use super::even_time::NOWHERE;
use super::newest::{Newest, Place};
use super::records::Records;
use crate::clock::UnixSeconds;
use crate::network::Network;
use crate::token::Handle;
use lacre_keystore::{KeystoreError, Page, Record, RecordKey};

/// How many keys are read at once where no record is opened.
const SCAN: usize = 4096;
/// How many records are read at once.
pub(super) const PAGE: usize = 256;

/// Which sessions a scan goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of<'a> {
    /// Everybody's.
    All,
    /// This user's.
    User(&'a str),
}

/// Sessions by their last use. What isn't given, every session has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// From an address of this network: the last one, or the first.
    pub(crate) from: Option<Network>,
    /// At this time or after it.
    pub(crate) since: Option<UnixSeconds>,
    /// At this time or before it.
    pub(crate) until: Option<UnixSeconds>,
}

impl Used {
    fn has(&self, record: &Record) -> bool {
        let last = record.last_seen_at;
        let is_there = |network: Network| {
            let addresses = [&record.last_seen_address, &record.address].into_iter();
            let parsed = addresses
                .flatten()
                .filter_map(|address| address.parse().ok());
            parsed.into_iter().any(|address| network.contains(address))
        };
        self.since.is_none_or(|since| last >= since)
            && self.until.is_none_or(|until| last <= until)
            && self.from.is_none_or(is_there)
    }
}

/// Sessions that are picked out of all records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Picked {
    /// Those that this client asked for: its id.
    AskedBy(String),
    /// Those that began at this time or before it.
    BegunUntil(UnixSeconds),
}

impl Picked {
    fn has(&self, record: &Record) -> bool {
        match self {
            Self::AskedBy(client) => record.client_id.as_ref() == Some(client),
            Self::BegunUntil(time) => record.created_at <= *time,
        }
    }
}

/// One step of a scan of the records.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scanned {
    /// How many records were looked at.
    pub(crate) records: u64,
    /// Those that don't open, named and never hidden.
    pub(crate) damaged: Vec<KeystoreError>,
    /// Where the next step begins; `None` at the end.
    pub(crate) next: Option<RecordKey>,
}

/// What may be shown of a session: no key, neither half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// The session's handle.
    pub handle: Handle,
    /// Where its record lies.
    pub key: RecordKey,
    /// The user whose session it is.
    pub user_id: String,
    /// When it began.
    pub created_at: u64,
    /// When it was used last, to the minute or so.
    pub last_seen_at: u64,
    /// When it ends unless it is refreshed.
    pub expires_at: u64,
    /// When it ends in any case.
    pub ends_at: u64,
    /// Its generation.
    pub generation: u64,
    /// The address that it was begun from.
    pub address: Option<String>,
    /// The address of its last use, where that is known.
    pub last_seen_address: Option<String>,
    /// The `User-Agent` that it was begun by.
    pub user_agent: Option<String>,
    /// The name that its user gave it.
    pub label: Option<String>,
    /// The trusted client that asked for it.
    pub client_id: Option<String>,
}

/// Some sessions and where to go on.
#[derive(Debug, Clone, Default)]
pub struct SessionPage {
    /// Sessions, in the order of their records.
    pub sessions: Vec<SessionInfo>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<RecordKey>,
    /// Records that don't open, named and never hidden.
    pub damaged: Vec<KeystoreError>,
}

/// Lists sessions.
pub(crate) struct Listing {
    records: Records,
}

impl Listing {
    pub(crate) fn new(records: Records) -> Self {
        Self { records }
    }

    /// The live sessions of a user, the newest first.
    pub(crate) async fn sessions_of(
        &self,
        user_id: &str,
    ) -> Result<Vec<SessionInfo>, KeystoreError> {
        let now = self.records.now();
        let user = self.records.handles().user_tag(user_id);
        let mut sessions = Vec::new();
        let mut after = None;
        loop {
            let page = self.records.keystore.list(user, after, PAGE).await?;
            sessions.extend(
                page.entries
                    .into_iter()
                    .filter(|(_, record)| record.user_id == user_id && !record.is_expired(now))
                    .map(|(key, record)| self.info(key, record)),
            );
            match page.next {
                Some(next) => after = Some(next.session),
                None => break,
            }
        }
        sessions
            .sort_by(|one, two| (two.created_at, &two.handle).cmp(&(one.created_at, &one.handle)));
        Ok(sessions)
    }

    /// A page of all live sessions, for operators.
    pub(crate) async fn all_sessions(
        &self,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<SessionPage, KeystoreError> {
        let now = self.records.now();
        let page = self.records.keystore.list_all(after, limit).await?;
        Ok(self.live_page(page, now))
    }

    /// A page of a user's live sessions in the order of their records, for operators.
    pub(crate) async fn page_of(
        &self,
        user_id: &str,
        after: Option<RecordKey>,
        limit: usize,
    ) -> Result<SessionPage, KeystoreError> {
        let now = self.records.now();
        let user = self.records.handles().user_tag(user_id);
        let after = after.map(|key| key.session);
        let page = self.records.keystore.list(user, after, limit).await?;
        Ok(self.live_page(page, now))
    }

    /// One step of a scan that tells `newest` of each live session that was used so. Records that don't
    /// open are in the answer.
    pub(crate) async fn scan(
        &self,
        of: Of<'_>,
        last_use: &Used,
        after: Option<RecordKey>,
        newest: &mut Newest,
    ) -> Result<Scanned, KeystoreError> {
        let now = self.records.now();
        let keystore = &self.records.keystore;
        let page = match of {
            Of::All => keystore.list_all(after, PAGE).await?,
            Of::User(user) => {
                let user = self.records.handles().user_tag(user);
                let after = after.map(|key| key.session);
                keystore.list(user, after, PAGE).await?
            }
        };
        let records = (page.entries.len() + page.damaged.len()) as u64;
        for (key, record) in page.entries {
            if !record.is_expired(now) && last_use.has(&record) {
                let created_at = record.created_at;
                newest.see(Place { created_at, key });
            }
        }
        Ok(Scanned {
            records,
            damaged: page.damaged,
            next: page.next,
        })
    }

    /// The session at a place, if it is live and still the one that began then.
    pub(crate) async fn at(&self, place: &Place) -> Result<Option<SessionInfo>, KeystoreError> {
        let now = self.records.now();
        let found = match self.records.keystore.get(&place.key).await {
            // It opened a moment ago. Whoever looks for damage is told by a scan.
            Err(error) if error.record().is_some() => return Ok(None),
            found => found?,
        };
        let live = found
            .map(|stored| stored.record)
            .filter(|record| record.created_at == place.created_at && !record.is_expired(now));
        Ok(live.map(|record| self.info(place.key, record)))
    }

    /// What [`Lacre::revoke_user`](crate::Lacre::revoke_user) would end now, expired and damaged ones included.
    pub(crate) async fn all_of(&self, user_id: &str) -> Result<Vec<Handle>, KeystoreError> {
        let handles = self.records.handles();
        let user = handles.user_tag(user_id);
        let (mut keys, mut after) = (Vec::new(), None);
        loop {
            let page = self.records.keystore.list(user, after, PAGE).await?;
            keys.extend(page.entries.into_iter().map(|(key, _)| key));
            keys.extend(page.damaged.iter().filter_map(KeystoreError::record));
            match page.next {
                Some(next) => after = Some(next.session),
                None => break,
            }
        }
        keys.sort_unstable();
        Ok(keys.iter().map(|key| handles.handle(key)).collect())
    }

    /// The sessions that are picked, live ones and expired ones, on one page of all records: the
    /// records of this one, and where the next page begins.
    pub(super) async fn page_of_picked(
        &self,
        picked: &Picked,
        after: Option<RecordKey>,
    ) -> Result<(Vec<(RecordKey, String)>, Option<RecordKey>), KeystoreError> {
        let page = self.records.keystore.list_all(after, PAGE).await?;
        let own = page
            .entries
            .into_iter()
            .filter(|(_, record)| picked.has(record))
            .map(|(key, record)| (key, record.user_id));
        Ok((own.collect(), page.next))
    }

    /// What a revocation of those that are picked would end now: each page of them goes to `each`.
    pub(crate) async fn all_picked(
        &self,
        picked: &Picked,
        mut each: impl FnMut(Vec<Handle>),
    ) -> Result<(), KeystoreError> {
        let mut after = None;
        loop {
            let (page, next) = self.page_of_picked(picked, after).await?;
            let handles = page.iter().map(|(key, _)| self.records.handle_of(key));
            each(handles.collect());
            match next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// The handles that begin so, of records that are there, those that don't open included: at most
    /// `max`. It looks at the key of every record there is.
    pub(crate) async fn beginning_with(
        &self,
        beginning: &str,
        max: usize,
    ) -> Result<Vec<Handle>, KeystoreError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.records.keystore.export(after, SCAN).await?;
            let handles = page
                .entries
                .iter()
                .map(|(key, _)| self.records.handle_of(key));
            found.extend(handles.filter(|handle| handle.as_str().starts_with(beginning)));
            found.truncate(max);
            match page.next {
                Some(next) if found.len() < max => after = Some(next),
                _ => return Ok(found),
            }
        }
    }

    /// The session of a record, and whether it has expired; `None` where there is no record.
    pub(crate) async fn recorded(
        &self,
        key: &RecordKey,
    ) -> Result<Option<(SessionInfo, bool)>, KeystoreError> {
        let found = self.records.keystore.get(key).await?;
        Ok(found.map(|stored| {
            let expired = stored.record.is_expired(self.records.now());
            (self.info(*key, stored.record), expired)
        }))
    }

    /// The session that a handle names, if it is live.
    pub(crate) async fn session(
        &self,
        handle: &Handle,
    ) -> Result<Option<SessionInfo>, KeystoreError> {
        let found = self.live_record(handle).await?;
        Ok(found.map(|(key, record)| self.info(key, record)))
    }

    /// The record key of a handle, if the handle is of this user's session, live or gone. Nobody but
    /// the deployment can tell whose a handle is.
    pub(crate) fn owns(&self, user_id: &str, handle: &Handle) -> Option<RecordKey> {
        let handles = self.records.handles();
        handles
            .record_key(handle)
            .filter(|key| key.user == handles.user_tag(user_id))
    }

    fn live_page(&self, page: Page, now: u64) -> SessionPage {
        let live = page
            .entries
            .into_iter()
            .filter(|(_, record)| !record.is_expired(now));
        SessionPage {
            sessions: live.map(|(key, record)| self.info(key, record)).collect(),
            next: page.next,
            damaged: page.damaged,
        }
    }

    fn info(&self, key: RecordKey, record: Record) -> SessionInfo {
        SessionInfo {
            handle: self.records.handles().handle(&key),
            key,
            user_id: record.user_id,
            created_at: record.created_at,
            last_seen_at: record.last_seen_at,
            expires_at: record.expires_at.min(record.ends_at),
            ends_at: record.ends_at,
            generation: record.generation,
            last_seen_address: record.last_seen_address.or_else(|| record.address.clone()),
            address: record.address,
            user_agent: record.user_agent,
            label: record.label,
            client_id: record.client_id,
        }
    }

    /// The record of a session that has neither ended nor expired. A handle of another form than
    /// ours costs a read, too.
    async fn live_record(
        &self,
        handle: &Handle,
    ) -> Result<Option<(RecordKey, Record)>, KeystoreError> {
        let own = self.records.handles().record_key(handle);
        let found = self.records.keystore.get(&own.unwrap_or(NOWHERE)).await?;
        let live = found.filter(|stored| !stored.record.is_expired(self.records.now()));
        Ok(own.zip(live.map(|stored| stored.record)))
    }
}
