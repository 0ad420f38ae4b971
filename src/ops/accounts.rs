//! Users and clients, as operators change them.
//!
//! This room must never change an account past [`Service`], which ends what the change ends.

use super::window::audit_ends;
use super::{AdminError, Answer, Client, LARGEST_PAGE, NewUser, Secret, User, UserChange};
use crate::accounts::{
    self, Account, AccountsError, ClientId, Email, NewAccount, Password, UserId,
};
use crate::service::{Changed, Service};
use crate::telemetry::audit::{self, Actor, Cause, Change, Event, Origin};

pub(super) async fn add(service: &Service, new: NewUser) -> Result<Answer, AdminError> {
    let password = new.password.map(|text| Password::parse(text.expose()));
    let account = service
        .sign_up(NewAccount {
            id: new.id.as_deref().map(UserId::parse).transpose()?,
            name: new.name,
            roles: new.roles,
            permissions: new.permissions,
            password: password.transpose()?,
            ..NewAccount::with_email(Email::parse(&new.email)?)
        })
        .await?;
    audit(&account, Change::Created);
    Ok(Answer::User(shown(account)))
}

pub(super) async fn list(service: &Service, after: Option<&str>) -> Result<Answer, AdminError> {
    let after = after.map(UserId::parse).transpose()?;
    let page = service.accounts().list(after, LARGEST_PAGE, None).await?;
    Ok(Answer::Users {
        users: page.accounts.into_iter().map(shown).collect(),
        next: page.next.map(|id| id.as_str().to_owned()),
    })
}

pub(super) async fn show(service: &Service, user: &str) -> Result<Answer, AdminError> {
    Ok(Answer::User(shown(service.find_user(user).await?)))
}

pub(super) async fn set(
    service: &Service,
    user: &str,
    to: UserChange,
) -> Result<Answer, AdminError> {
    let id = service.find_user(user).await?.id;
    let change = if to.roles.is_some() || to.permissions.is_some() {
        Change::Rights
    } else {
        Change::Profile
    };
    let to = accounts::Change {
        email: to.email.as_deref().map(Email::parse).transpose()?,
        name: to.name,
        roles: to.roles,
        permissions: to.permissions,
        ..accounts::Change::default()
    };
    Ok(changed(service.update_user(&id, to).await?, change))
}

pub(super) async fn disable(service: &Service, user: &str) -> Result<Answer, AdminError> {
    let id = service.find_user(user).await?.id;
    Ok(changed(service.disable_user(&id).await?, Change::Disabled))
}

pub(super) async fn enable(service: &Service, user: &str) -> Result<Answer, AdminError> {
    let id = service.find_user(user).await?.id;
    Ok(changed(service.enable_user(&id).await?, Change::Enabled))
}

pub(super) async fn delete(service: &Service, user: &str) -> Result<Answer, AdminError> {
    // An id whose account is gone may have sessions left, of a deletion that failed half-way.
    let id = match UserId::parse(user) {
        Ok(id) => id,
        Err(_) => service.find_user(user).await?.id,
    };
    let gone = service.delete_user(&id).await?;
    gone.map(|gone| changed(gone, Change::Deleted))
        .ok_or_else(|| AccountsError::AccountUnknown.into())
}

pub(super) async fn set_password(
    service: &Service,
    user: &str,
    password: &Secret,
) -> Result<Answer, AdminError> {
    let password = Password::parse(password.expose())?;
    let id = service.find_user(user).await?.id;
    let set = service.set_password(&id, password).await?;
    Ok(changed(set, Change::Password))
}

pub(super) async fn add_client(service: &Service, name: &str) -> Result<Answer, AdminError> {
    let new = service.accounts().create_client(name).await?;
    operator_acted("client_added");
    Ok(Answer::NewClient {
        id: new.id.as_str().to_owned(),
        secret: Secret::new(new.secret.expose().to_owned()),
    })
}

pub(super) async fn list_clients(service: &Service) -> Result<Answer, AdminError> {
    let clients = service.accounts().list_clients().await?;
    let shown = clients.into_iter().map(|client| Client {
        id: client.id.as_str().to_owned(),
        name: client.name,
        created_at: client.created_at,
    });
    Ok(Answer::Clients(shown.collect()))
}

pub(super) async fn delete_client(service: &Service, id: &str) -> Result<Answer, AdminError> {
    let id = ClientId::parse(id)?;
    if !service.accounts().delete_client(&id).await? {
        return Err(AdminError::failed(
            "client_unknown",
            "there is no such client",
        ));
    }
    operator_acted("client_deleted");
    Ok(Answer::ClientDeleted)
}

pub(super) fn operator_acted(action: &'static str) {
    Event::OperatorActed { action }.record(&Origin::default());
}

fn changed(done: Changed, change: Change) -> Answer {
    audit(&done.account, change);
    let cause = match change {
        Change::Password => Cause::PasswordChanged,
        _ => Cause::AccountClosed,
    };
    audit_ends(done.account.id.as_str(), &done.ended, cause);
    Answer::Changed {
        user: shown(done.account),
        ended: done.ended.len(),
    }
}

fn audit(account: &Account, change: Change) {
    Event::AccountChanged {
        user: audit::UserId::new(account.id.as_str()),
        change,
        by: Actor::Operator,
    }
    .record(&Origin::default());
}

fn shown(account: Account) -> User {
    User {
        id: account.id.as_str().to_owned(),
        email: account.email.as_str().to_owned(),
        name: account.name,
        roles: account.roles,
        permissions: account.permissions,
        active: account.active,
        created_at: account.created_at,
        updated_at: account.updated_at,
    }
}
