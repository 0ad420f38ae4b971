//! Renewing a session: by its refresh token, or by proving the password once more.
//!
//! This room must never renew a session for an account that may not log in.

use super::caller::{login_failed, token_refused};
use super::going_on::to_the_end;
use super::log_in::subject;
use super::{Caller, Service, ServiceError};
use crate::accounts::{
    Account, AccountsError, Kept, LoginName, Password, PresentedPassword, Reach, UserId,
};
use crate::sessions::grant::{Issued, Subject};
use crate::sessions::guard::{LiveSession, Refusal};
use crate::sessions::refresh::{RefreshError, gone};
use crate::telemetry::audit::{Cause, Origin};
use crate::token::{Handle, OwnUser};
use futures_util::FutureExt as _;
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

impl Service {
    /// Gives new tokens for a refresh token, with the rights that the user has now.
    ///
    /// `turn` is dropped when the token has been opened or refused: it is for whoever lets only so many
    /// be opened at once, and doesn't want to wait for the store besides.
    pub async fn refresh(
        &self,
        token: &[u8],
        from: &Origin,
        turn: impl Send + 'static,
    ) -> Result<Issued, RefreshError<AccountsError>> {
        let (service, from) = (self.clone(), from.clone());
        let token = Zeroizing::new(token.to_vec());
        to_the_end(async move {
            let (asked, turn) = (service.clone(), Mutex::new(Some(turn)));
            // Boxed and owned: rustc can't yet tell that the future of an async closure is `Send`.
            let subject = move |user_id: &str| {
                drop(turn.lock().unwrap_or_else(PoisonError::into_inner).take());
                let (service, user_id) = (asked.clone(), user_id.to_owned());
                async move { service.subject_of(&user_id).await }.boxed()
            };
            let refreshed = service.lacre.refresh(&token, subject).await;
            if let (Ok(issued), Some(address)) = (&refreshed, from.address) {
                service.lacre.note_address(&issued.key, address);
            }
            refreshed.inspect_err(|error| record(error, &from))
        })
        .await
    }

    /// Gives a fresh access token to the session whose user proves the password once more.
    pub async fn reauthenticate(
        &self,
        caller: &Caller,
        session: &LiveSession,
        password: PresentedPassword,
    ) -> Result<Issued, ServiceError> {
        let account = self.prove_once_more(caller, session, password).await?;
        let (service, caller, session) = (self.clone(), caller.clone(), session.clone());
        to_the_end(async move {
            let subject = subject(&account);
            let renewed = service.lacre.renew_access(&session, &subject).await;
            let renewed = renewed.map_err(ServiceError::from).and_then(|issued| {
                let ended = AccountsError::InvalidCredentials;
                issued.ok_or(ended.into())
            });
            let user = session.user_id();
            match &renewed {
                Ok(_) => caller.logged_in(user),
                Err(error) => login_failed(&caller.origin, error.code(), Some(user), None),
            }
            renewed
        })
        .await
    }

    /// Gives the user of this session another password, and ends all other sessions of the user.
    pub async fn change_password(
        &self,
        caller: &Caller,
        session: &LiveSession,
        current: PresentedPassword,
        new: Password,
    ) -> Result<Vec<Handle>, ServiceError> {
        let account = self.prove_once_more(caller, session, current).await?;
        let others = Reach::AllBut(Kept {
            handle: session.handle().as_str().to_owned(),
            since: session.created_at,
        });
        let changed = self.change_own_password(caller, account, new, others);
        Ok(changed.await?.ended)
    }

    /// Whoever holds a token may be a thief: the password is guessed as seldom as at a log-in.
    async fn prove_once_more(
        &self,
        caller: &Caller,
        session: &LiveSession,
        password: PresentedPassword,
    ) -> Result<Account, ServiceError> {
        let id = UserId::parse(session.user_id()).map_err(|_| AccountsError::InvalidCredentials)?;
        let by = LoginName::Id(id.clone());
        self.prove(by, password, &caller.origin, Some(&id)).await
    }

    async fn subject_of(&self, user_id: &str) -> Result<Option<Subject>, AccountsError> {
        if let Some(user) = OwnUser::read(user_id) {
            // Who it is, its sessions say.
            let vouched = self.is_vouched_for(&user).await?;
            return Ok(vouched.then(Subject::default));
        }
        let Ok(id) = UserId::parse(user_id) else {
            return Ok(None);
        };
        let account = self
            .accounts
            .get(&id)
            .await?
            .filter(|account| account.active);
        Ok(account.as_ref().map(subject))
    }
}

/// Why a refresh gave no tokens, in the audit trail. A session that it ended was ended by lacre:
/// whether the owner or a thief sent the token, nobody knows.
fn record(error: &RefreshError<AccountsError>, from: &Origin) {
    let ended = |user_id: &str, handle: &Handle, cause| {
        let lacre = Caller {
            origin: from.clone(),
            ..Caller::lacre()
        };
        lacre.ended(user_id, std::slice::from_ref(handle), cause);
    };
    match error {
        RefreshError::Refused(Refusal::Token(error)) => token_refused(from, error.code()),
        RefreshError::Reused { user_id, handle } => ended(user_id, handle, Cause::RefreshReused),
        RefreshError::UserGone { user_id, handle } => ended(user_id, handle, gone(user_id)),
        RefreshError::Refused(Refusal::Store(_))
        | RefreshError::Issue(_)
        | RefreshError::Subject(_) => {}
    }
}
