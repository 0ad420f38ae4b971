//! What [`Accounts`] does with clients.
//!
//! This room must never answer an unknown client faster than a wrong secret.

use super::Accounts;
use super::account::{Account, display_name};
use super::client::{Client, ClientId, ClientSecret, ClientTerms, Fingerprint, NewClient};
use super::error::{AccountsError, invalid};
use super::identity::UserId;
use super::outbox::OutboxRow;

impl Accounts {
    /// Makes a client. Its secret is never to be had again.
    pub async fn create_client(&self, terms: &ClientTerms) -> Result<NewClient, AccountsError> {
        let name = display_name("name", &terms.name)?;
        let name = name.ok_or(invalid("name", "must not be empty"))?;
        let services = terms.checked_services()?;
        let (id, secret) = self.with_random(|random| {
            let id = ClientId::generate(random);
            (id, ClientSecret::generate(random))
        });
        let client = Client {
            id: id.clone(),
            name,
            created_at: self.inner.clock.now(),
            own_users: terms.own_users,
            services,
        };
        let store = &self.inner.store;
        store.insert_client(&client, &secret.fingerprint()).await?;
        Ok(NewClient { id, secret })
    }

    /// The client whose id and secret these are, as HTTP Basic carries them (RFC 6749 §2.3.1).
    pub async fn authenticate_client(
        &self,
        id: &str,
        secret: &str,
    ) -> Result<Client, AccountsError> {
        let presented = Fingerprint::of(secret);
        let id = ClientId::parse(id).ok();
        // Only a proof goes by what is remembered: every refusal, also of a client that is, costs a question.
        let remembered = id
            .as_ref()
            .and_then(|id| self.inner.store.remembered_client(id));
        if let Some((client, _)) = remembered.filter(|(_, stored)| presented.is(stored)) {
            return Ok(client);
        }
        let decoy = self.with_random(Fingerprint::decoy);
        let found = match id {
            Some(id) => self.inner.store.client(&id).await?,
            None => None,
        };
        let (client, stored) = match found {
            Some((client, stored)) => (Some(client), stored),
            None => (None, decoy),
        };
        let proven = presented.is(&stored);
        client
            .filter(|_| proven)
            .ok_or(AccountsError::InvalidCredentials)
    }

    /// All clients, the oldest first.
    pub async fn list_clients(&self) -> Result<Vec<Client>, AccountsError> {
        self.inner.store.clients().await
    }

    /// Whether there is a client with this id.
    pub async fn has_client(&self, id: &ClientId) -> Result<bool, AccountsError> {
        let store = &self.inner.store;
        Ok(store.remembered_client(id).is_some() || store.client(id).await?.is_some())
    }

    /// The account, where it is known without a question that it and the client are there; `None` says nothing.
    #[must_use]
    pub fn known_with_client(&self, user: &UserId, client: &ClientId) -> Option<Account> {
        let store = &self.inner.store;
        Some(store.remembered_with_client(user, client)?.account)
    }

    /// Takes a client away; `false` where there was none. That the sessions of this keystore which it
    /// asked for have to end is written down in either case, to be [`delivered`](Self::delivered) by
    /// the caller.
    pub async fn delete_client(
        &self,
        id: &ClientId,
        keystore: String,
    ) -> Result<(bool, OutboxRow), AccountsError> {
        let row = self.row_of_client(id, keystore);
        let deleted = self.inner.store.delete_client(id, &row).await?;
        Ok((deleted, row.row))
    }
}
