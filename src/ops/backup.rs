//! A backup: keys, accounts and sessions as one encrypted stream.
//!
//! The accounts are read first, in one transaction, and the sessions after them: so a backup has no session
//! of an account that was closed in it. Keys leave the process sealed: under the master key, or under a key
//! that the command sealed itself.
//!
//! This room must never hold more than a page, and never let a key out that isn't sealed.

use super::answer::Answer;
use super::error::OpsError;
use super::request::BackupRequest;
use super::steps::Steps;
use crate::archive::{
    About, ArchiveError, End, Entry, FileKey, Holds, Sealer, SecretText, VERSION, under_master_key,
};
use crate::deployment::data_dir::MasterKeyFile;
use crate::service::{Caller, Service};
use crate::token::base64url;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lacre_keystore::{MasterKey, MasterKeyRing};
use serde_json::Value;
use zeroize::Zeroizing;

/// How many sealed bytes are sent at once.
const PART: usize = 256 << 10;
/// How many records are read at once.
const PAGE: usize = 512;

pub(super) async fn perform(
    service: &Service,
    caller: &Caller,
    request: BackupRequest,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    let lacre = service.lacre();
    let total = lacre.keystore().stats().await?.records;
    // Before the first byte: whoever breaks off has what came until then.
    service.acted(caller, action(request.holds));
    let mut out = Out::begin(service, &request, steps, total)?;
    let mut end = End::default();
    out.put(&Entry::Backup(About {
        version: VERSION,
        holds: request.holds,
        deployment: lacre.deployment_name(),
        made_at: lacre.now(),
        // Other nodes may be at work on a store that they share.
        at_rest: request.at_rest && lacre.lease().is_none(),
    }))
    .await?;
    let keys = lacre.keystore().master_keys();
    out.put(&Entry::MasterKeys(file_of(&keys))).await?;
    if request.holds == Holds::Everything {
        let sealed = lacre
            .sealed_keyring(&keys)
            .map_err(|_| ArchiveError::Sealing)?;
        out.put(&Entry::Keyring(SecretText::new(base64url::encode(sealed))))
            .await?;
        let mut snapshot = service.accounts().snapshot().await?;
        loop {
            let rows = snapshot.next().await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                end.rows += 1;
                end.accounts += u64::from(row.table == "accounts");
                let (table, values) = (row.table, row.values);
                out.put(&Entry::Row { table, values }).await?;
            }
        }
    }
    let mut after = None;
    loop {
        let page = lacre.keystore().export(after, PAGE).await?;
        for (key, sealed) in page.entries {
            end.sessions += 1;
            let key = base64url::encode(key.to_bytes());
            let sealed = base64url::encode(sealed);
            out.put(&Entry::Session { key, sealed }).await?;
        }
        out.done = end.sessions;
        after = page.next;
        if after.is_none() {
            break;
        }
        // Requests get their turn.
        tokio::task::yield_now().await;
    }
    // Behind the sessions: of what ended before they were read, the log has the receipt.
    if let Some(receipts) = lacre.receipts()
        && let Some(head) = receipts.status(0).await.head
        && let Ok(Value::Object(head)) = serde_json::to_value(head)
    {
        out.put(&Entry::Receipts(head)).await?;
    }
    // A master key that came while records were read seals some of them.
    let now = lacre.keystore().master_keys();
    if !now
        .keys()
        .map(MasterKey::id)
        .eq(keys.keys().map(MasterKey::id))
    {
        out.put(&Entry::MasterKeys(file_of(&now))).await?;
    }
    out.put(&Entry::End(end)).await?;
    out.finish(end)
}

fn action(holds: Holds) -> &'static str {
    match holds {
        Holds::Everything => "backup_taken",
        Holds::Sessions => "sessions_exported",
    }
}

fn file_of(keys: &MasterKeyRing) -> SecretText {
    let file = MasterKeyFile::of(keys.keys().map(|key| (key.id(), *key.expose())));
    SecretText::new(file.text().to_string())
}

/// Where the entries go.
struct Out<'a> {
    sealer: Sealer,
    /// The header, until it is sent.
    ready: Vec<u8>,
    steps: &'a Steps,
    done: u64,
    total: u64,
}

impl<'a> Out<'a> {
    fn begin(
        service: &Service,
        request: &BackupRequest,
        steps: &'a Steps,
        total: u64,
    ) -> Result<Self, OpsError> {
        let mut random = service.lacre().random();
        let given = request.file_key.as_ref().map(|key| {
            let bytes = Zeroizing::new(base64url::decode_array::<16>(key.expose().as_bytes()));
            bytes.as_ref().and_then(|bytes| FileKey::from_bytes(bytes))
        });
        let (key, ready) = if let Some(key) = given {
            (key.ok_or(ArchiveError::Sealing)?, Vec::new())
        } else {
            let key = FileKey::generate(&mut *random);
            let keys = service.lacre().keystore().master_keys();
            let current = keys.keys().next().ok_or(ArchiveError::Sealing)?;
            let header = under_master_key(current.id(), current.expose(), &key, &mut *random)?;
            (key, header)
        };
        Ok(Self {
            sealer: Sealer::new(&key, &mut *random)?,
            ready,
            steps,
            done: 0,
            total,
        })
    }

    async fn put(&mut self, entry: &Entry) -> Result<(), OpsError> {
        let mut line = Zeroizing::new(Vec::with_capacity(2048));
        serde_json::to_writer(&mut *line, entry).map_err(|_| ArchiveError::Sealing)?;
        line.push(b'\n');
        self.sealer.write(&line)?;
        if self.sealer.ready() >= PART {
            let part = self.part();
            if self.steps.page(part).await.is_err() {
                return Err(OpsError::NobodyTakesIt);
            }
        }
        Ok(())
    }

    fn part(&mut self) -> Answer {
        self.ready.append(&mut self.sealer.take());
        let content = STANDARD.encode(std::mem::take(&mut self.ready));
        Answer::BackupPart {
            content,
            done: self.done,
            total: self.total.max(self.done),
        }
    }

    fn finish(mut self, end: End) -> Result<Answer, OpsError> {
        let mut rest = std::mem::take(&mut self.ready);
        rest.append(&mut self.sealer.finish()?);
        Ok(Answer::BackedUp {
            rest: STANDARD.encode(rest),
            accounts: end.accounts,
            sessions: end.sessions,
        })
    }
}
