//! Renewing a session: by its refresh token, or by proving the password once more.
//!
//! This room must never renew a session for an account that may not log in.

use super::log_in::subject;
use super::{Service, ServiceError};
use crate::accounts::{Account, AccountsError, Kept, Password, PresentedPassword, Reach, UserId};
use crate::sessions::guard::LiveSession;
use crate::sessions::issue::{Issued, Subject};
use crate::sessions::refresh::RefreshError;
use crate::token::Handle;

impl Service {
    /// Gives new tokens for a refresh token, with the rights that the user has now.
    pub async fn refresh(&self, token: &[u8]) -> Result<Issued, RefreshError<AccountsError>> {
        self.lacre
            .refresh(token, async |user_id: &str| self.subject_of(user_id).await)
            .await
    }

    /// Gives a fresh access token to the session whose user proves the password once more.
    pub async fn reauthenticate(
        &self,
        session: &LiveSession,
        password: PresentedPassword,
    ) -> Result<Issued, ServiceError> {
        let account = self.prove(session, password).await?;
        let issued = self.lacre.refreshen(session, &subject(&account)).await?;
        issued.ok_or(AccountsError::InvalidCredentials.into())
    }

    /// Gives the user of this session another password, and ends all other sessions of the user.
    pub async fn change_password(
        &self,
        session: &LiveSession,
        current: PresentedPassword,
        new: Password,
    ) -> Result<Vec<Handle>, ServiceError> {
        let account = self.prove(session, current).await?;
        let others = Reach::AllBut(Kept {
            handle: session.handle().as_str().to_owned(),
            since: session.created_at,
        });
        Ok(self.change_own_password(account, new, others).await?.ended)
    }

    async fn prove(
        &self,
        session: &LiveSession,
        password: PresentedPassword,
    ) -> Result<Account, ServiceError> {
        let id = UserId::parse(session.user_id()).map_err(|_| AccountsError::InvalidCredentials)?;
        Ok(self.accounts.verify_password(&id, password).await?)
    }

    async fn subject_of(&self, user_id: &str) -> Result<Option<Subject>, AccountsError> {
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
