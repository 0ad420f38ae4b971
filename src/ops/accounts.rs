//! Users and clients, as operators change them.
//!
//! This room must never change an account past [`Service`], which ends what the change ends.

use super::{AdminError, Answer, Client, LARGEST_PAGE, NewUser, Secret, User, UserChange};
use crate::accounts::{
    Account, AccountsError, Change, ClientId, Email, NewAccount, Password, UserId,
};
use crate::service::{Caller, Changed, Service};

pub(super) async fn add(
    service: &Service,
    caller: &Caller,
    new: NewUser,
) -> Result<Answer, AdminError> {
    let password = new.password.map(|text| Password::parse(text.expose()));
    let new = NewAccount {
        id: new.id.as_deref().map(UserId::parse).transpose()?,
        name: new.name,
        roles: new.roles,
        permissions: new.permissions,
        password: password.transpose()?,
        ..NewAccount::with_email(Email::parse(&new.email)?)
    };
    let account = service.create_user(caller, new).await?;
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
    caller: &Caller,
    user: &str,
    to: UserChange,
) -> Result<Answer, AdminError> {
    let to = Change {
        email: to.email.as_deref().map(Email::parse).transpose()?,
        name: to.name,
        roles: to.roles,
        permissions: to.permissions,
        ..Change::default()
    };
    change(service, caller, user, to, None).await
}

/// Disables or enables.
pub(super) async fn activate(
    service: &Service,
    caller: &Caller,
    user: &str,
    active: bool,
) -> Result<Answer, AdminError> {
    let to = Change {
        active: Some(active),
        ..Change::default()
    };
    change(service, caller, user, to, None).await
}

pub(super) async fn delete(
    service: &Service,
    caller: &Caller,
    user: &str,
) -> Result<Answer, AdminError> {
    // An id whose account is gone may have sessions left, of a deletion that failed half-way.
    let id = match UserId::parse(user) {
        Ok(id) => id,
        Err(_) => service.find_user(user).await?.id,
    };
    let gone = service.delete_user(caller, &id).await?;
    gone.map(changed)
        .ok_or_else(|| AccountsError::AccountUnknown.into())
}

pub(super) async fn set_password(
    service: &Service,
    caller: &Caller,
    user: &str,
    password: &Secret,
) -> Result<Answer, AdminError> {
    let password = Password::parse(password.expose())?;
    change(service, caller, user, Change::default(), Some(password)).await
}

async fn change(
    service: &Service,
    caller: &Caller,
    user: &str,
    to: Change,
    password: Option<Password>,
) -> Result<Answer, AdminError> {
    let id = service.find_user(user).await?.id;
    Ok(changed(
        service.change_user(caller, &id, to, password).await?,
    ))
}

pub(super) async fn add_client(
    service: &Service,
    caller: &Caller,
    name: &str,
) -> Result<Answer, AdminError> {
    let new = service.create_client(caller, name).await?;
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

pub(super) async fn delete_client(
    service: &Service,
    caller: &Caller,
    id: &str,
) -> Result<Answer, AdminError> {
    let id = ClientId::parse(id)?;
    if !service.delete_client(caller, &id).await? {
        return Err(AdminError::failed(
            "client_unknown",
            "there is no such client",
        ));
    }
    Ok(Answer::ClientDeleted)
}

fn changed(done: Changed) -> Answer {
    Answer::Changed {
        user: shown(done.account),
        ended: done.ended.len(),
    }
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
