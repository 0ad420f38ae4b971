//! What the keystore holds, as operators see it.
//!
//! A record is named by its handle, also one that doesn't open: whoever sees it can revoke it.
//!
//! This room must never let a record's key out.

use super::answer::{Answer, Damaged, DigestFound, Sessions};
use super::error::OpsError;
use super::handles::{self, parse};
use super::request::{KeystoreRequest, LastUse};
use super::sessions::{shown, user_id};
use super::steps::{MAX_PAGE, Steps};
use crate::clock::UnixSeconds;
use crate::lacre::Lacre;
use crate::service::Service;
use crate::sessions::list::{Of, Used};
use crate::sessions::newest::{Newest, Place};
use lacre_keystore::KeystoreError;
use tokio::task::yield_now;

/// How many places of sessions a listing without a limit keeps from one scan: some 10 MiB. A store
/// with more live sessions is scanned once for each so many.
const WINDOW: usize = 1 << 18;

pub(super) async fn perform(
    service: &Service,
    request: KeystoreRequest,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    match request {
        KeystoreRequest::List {
            user,
            last_use,
            after,
            limit,
        } => {
            let last_use = parsed(&last_use, service.lacre().now())?;
            list(
                service,
                user.as_deref(),
                &last_use,
                after.as_deref(),
                limit,
                steps,
            )
            .await
        }
        KeystoreRequest::Show { handle } => {
            let handle = handles::find(service.lacre(), &handle).await?;
            let found = service.lacre().session(&handle).await?;
            found
                .map(|info| Answer::Session(shown(info)))
                .ok_or(OpsError::SessionUnknown)
        }
        KeystoreRequest::Stats => {
            let stats = service.lacre().keystore().stats().await?;
            Ok(Answer::Stats {
                records: stats.records,
                bytes_on_disk: stats.bytes_on_disk,
            })
        }
        // It is a change of a deployment, which `moving` makes.
        KeystoreRequest::Migrate { .. } => {
            Err(OpsError::Move(crate::deployment::MoveError::Nothing))
        }
        KeystoreRequest::Verify => verify(service.lacre(), steps).await,
        KeystoreRequest::Compact => {
            let keystore = service.lacre().keystore();
            let before = keystore.stats().await?.bytes_on_disk;
            let steps = steps.clone();
            keystore
                .compact(move |done, total| steps.progress(done, total))
                .await?;
            let after = keystore.stats().await?.bytes_on_disk;
            Ok(Answer::Compacted { before, after })
        }
    }
}

/// The last use that is meant, as times.
fn parsed(used: &LastUse, now: UnixSeconds) -> Result<Used, OpsError> {
    let network = used.address.as_deref().map(str::parse).transpose();
    Ok(Used {
        from: network.map_err(|_| OpsError::AddressInvalid)?,
        since: used.within.map(|seconds| now.saturating_sub(seconds)),
        // A time before all times: nothing is idle for so long.
        until: used.idle.map(|seconds| now.saturating_sub(seconds)),
    })
}

async fn list(
    service: &Service,
    user: Option<&str>,
    last_use: &Used,
    after: Option<&str>,
    limit: Option<usize>,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    let lacre = service.lacre();
    let mut after = after.map(|cursor| place(lacre, cursor)).transpose()?;
    let user = match user {
        Some(user) => Some(user_id(service, user).await?),
        None => None,
    };
    let of = user.as_deref().map_or(Of::All, Of::User);
    let mut left = limit.unwrap_or(usize::MAX).max(1);
    let mut page = Sessions::default();
    loop {
        let (places, older) = scan(
            lacre,
            (of, last_use),
            after,
            left.min(WINDOW),
            &mut page,
            steps,
        )
        .await?;
        for (number, place) in places.iter().enumerate() {
            after = Some(*place);
            // Whatever has ended since the scan isn't shown.
            let Some(session) = lacre.session_at(place).await? else {
                continue;
            };
            page.sessions.push(shown(session));
            left -= 1;
            let last = number + 1 == places.len() && !older;
            if page.sessions.len() == MAX_PAGE && left > 0 && !last {
                page.next = after.map(|place| cursor(lacre, place));
                if let Err(page) = steps
                    .page(Answer::Sessions(std::mem::take(&mut page)))
                    .await
                {
                    return Ok(page);
                }
            }
        }
        if left == 0 || !older {
            page.next = after.filter(|_| older).map(|place| cursor(lacre, place));
            return Ok(Answer::Sessions(page));
        }
    }
}

/// Scans the records for the newest sessions behind a place. Damaged records are reported by the
/// first scan of a listing alone: they have no place in the order.
async fn scan(
    lacre: &Lacre,
    (of, last_use): (Of<'_>, &Used),
    after: Option<Place>,
    max: usize,
    page: &mut Sessions,
    steps: &Steps,
) -> Result<(Vec<Place>, bool), OpsError> {
    let mut newest = Newest::new(max, after);
    let mut from = None;
    loop {
        let scanned = lacre.scan(of, last_use, from, &mut newest).await?;
        if after.is_none() {
            let named = scanned.damaged.iter();
            page.damaged
                .extend(named.filter_map(|error| damaged(lacre, error)));
            if page.damaged.len() >= MAX_PAGE
                && let Err(Answer::Sessions(full)) =
                    steps.page(Answer::Sessions(std::mem::take(page))).await
            {
                *page = full;
            }
        }
        from = scanned.next;
        if from.is_none() {
            return Ok(newest.into_places());
        }
        // Requests get their turn.
        yield_now().await;
    }
}

/// Opens every record, and reports those that don't open page by page.
async fn verify(lacre: &Lacre, steps: &Steps) -> Result<Answer, OpsError> {
    let total = lacre.keystore().stats().await?.records;
    let (mut newest, mut from) = (Newest::new(1, None), None);
    let (mut records, mut count, mut page) = (0, 0, Vec::new());
    loop {
        let scanned = lacre
            .scan(Of::All, &Used::default(), from, &mut newest)
            .await?;
        records += scanned.records;
        count += scanned.damaged.len() as u64;
        let named = scanned.damaged.iter();
        page.extend(named.filter_map(|error| damaged(lacre, error)));
        from = scanned.next;
        if from.is_none() {
            let digest = check(lacre, steps, total).await?;
            return Ok(Answer::Verified {
                records,
                count,
                damaged: page,
                digest,
            });
        }
        if page.len() >= MAX_PAGE {
            let step = Answer::Verified {
                records,
                count,
                damaged: std::mem::take(&mut page),
                digest: None,
            };
            if let Err(step) = steps.page(step).await {
                return Ok(step);
            }
        }
        steps.progress(records, total.max(records));
        yield_now().await;
    }
}

/// Whether the digest of all records agrees with what is there; `None` where none is kept.
async fn check(lacre: &Lacre, steps: &Steps, total: u64) -> Result<Option<DigestFound>, OpsError> {
    let progress = |done| steps.progress(done, total.max(done));
    match lacre.keystore().check(progress).await {
        Ok(is_kept) => Ok(is_kept.then_some(DigestFound {
            agrees: true,
            expected: None,
        })),
        Err(KeystoreError::StoreIncomplete { expected, .. }) => Ok(Some(DigestFound {
            agrees: false,
            expected: Some(expected),
        })),
        Err(error) => Err(error.into()),
    }
}

/// What a listing is asked to go on behind: when a session began, and its handle.
fn cursor(lacre: &Lacre, place: Place) -> String {
    format!("{}.{}", place.created_at, lacre.handle_of(&place.key))
}

fn place(lacre: &Lacre, cursor: &str) -> Result<Place, OpsError> {
    let (created_at, handle) = cursor.split_once('.').ok_or(OpsError::CursorInvalid)?;
    let created_at = created_at.parse().map_err(|_| OpsError::CursorInvalid)?;
    let handle = parse(handle).map_err(|_| OpsError::CursorInvalid)?;
    let key = lacre.key_of(&handle).ok_or(OpsError::CursorInvalid)?;
    Ok(Place { created_at, key })
}

fn damaged(lacre: &Lacre, error: &KeystoreError) -> Option<Damaged> {
    Some(Damaged {
        handle: lacre.handle_of(&error.record()?).as_str().to_owned(),
        code: error.code().to_owned(),
    })
}
