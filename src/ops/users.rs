//! Accounts, as operators see and change them.
//!
//! An administrator can't lock itself out: what would close, demote or take over the account that
//! asks is refused, so that the last administrator stays one.
//!
//! This room must never change an account past [`Service`], which ends what the change ends.

use super::answer::{Answer, Link, RefusedUser, User};
use super::error::OpsError;
use super::request::{ImportedUser, NewUser, UserChange, UsersRequest};
use super::steps::{MAX_PAGE, Steps};
use crate::accounts::{
    Account, AccountsError, Change, Email, ImportedAccount, ImportedHash, NewAccount,
    OutsideSubject, Password, UserId,
};
use crate::service::{Caller, Changed, Service};
use crate::telemetry::audit::Actor;

pub(super) async fn perform(
    service: &Service,
    caller: &Caller,
    request: UsersRequest,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    match request {
        UsersRequest::Add(new) => add(service, caller, new).await,
        UsersRequest::Import { users, dry_run } => import(service, caller, users, dry_run).await,
        UsersRequest::List { after, limit, text } => {
            list(service, after, limit, text.as_deref(), steps).await
        }
        UsersRequest::Show { user } => Ok(Answer::User(shown(service.find_user(&user).await?))),
        UsersRequest::Change { user, to } => change(service, caller, &user, to).await,
        UsersRequest::Delete { user } => delete(service, caller, &user).await,
        UsersRequest::Links { user } => links(service, &service.find_user(&user).await?.id).await,
        UsersRequest::Link {
            user,
            issuer,
            subject,
        } => {
            let user = service.find_user(&user).await?.id;
            let issuer = service.issuer_meant(&issuer)?;
            let outside = OutsideSubject { issuer, subject };
            service.link_user(caller, &user, outside).await?;
            links(service, &user).await
        }
        UsersRequest::Unlink { user, issuer } => {
            let account = service.find_user(&user).await?;
            let issuer = service.issuer_meant(&issuer)?;
            let unlinked = service.unlink_user(caller, &account.id, &issuer);
            let ended = unlinked.await?.1;
            Ok(answer(Changed { account, ended }))
        }
    }
}

async fn add(service: &Service, caller: &Caller, new: NewUser) -> Result<Answer, OpsError> {
    let email = Email::parse(&new.email)?;
    let id = new.id.as_deref().map(UserId::parse).transpose()?;
    let password = new.password.map(|text| Password::parse(text.expose()));
    let new = NewAccount {
        id,
        name: new.name,
        roles: new.roles,
        permissions: new.permissions,
        password: password.transpose()?,
        ..NewAccount::with_email(email)
    };
    let account = service.create_user(caller, new).await?;
    Ok(Answer::User(shown(account)))
}

async fn import(
    service: &Service,
    caller: &Caller,
    users: Vec<ImportedUser>,
    dry_run: bool,
) -> Result<Answer, OpsError> {
    let mut refused = Vec::new();
    let mut places = Vec::with_capacity(users.len());
    let mut accounts = Vec::with_capacity(users.len());
    for (index, user) in users.into_iter().enumerate() {
        match imported(user) {
            Ok(account) => {
                places.push(index);
                accounts.push(account);
            }
            Err(error) => refused.push(refusal(index, &error)),
        }
    }
    let outcomes = service.import_users(caller, accounts, dry_run).await?;
    for (index, outcome) in places.into_iter().zip(outcomes) {
        if let Err(error) = outcome {
            refused.push(refusal(index, &error));
        }
    }
    refused.sort_by_key(|refused| refused.index);
    Ok(Answer::Imported(refused))
}

fn imported(user: ImportedUser) -> Result<ImportedAccount, AccountsError> {
    let hash = user.hash.map(|hash| ImportedHash::parse(hash.expose()));
    Ok(ImportedAccount {
        id: user.id.as_deref().map(UserId::parse).transpose()?,
        email: Email::parse(&user.email)?,
        name: user.name,
        roles: user.roles,
        permissions: user.permissions,
        active: user.active,
        hash: hash.transpose()?,
    })
}

fn refusal(index: usize, error: &AccountsError) -> RefusedUser {
    RefusedUser {
        index,
        code: error.code().to_owned(),
        field: error.field().map(str::to_owned),
        reason: error.to_string(),
    }
}

async fn list(
    service: &Service,
    after: Option<String>,
    limit: Option<usize>,
    text: Option<&str>,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    let mut after = after.as_deref().map(UserId::parse).transpose()?;
    let mut left = limit.unwrap_or(usize::MAX).max(1);
    loop {
        let page = left.min(MAX_PAGE);
        let page = service.accounts().list(after, page, text).await?;
        left -= page.accounts.len().min(left);
        let answer = Answer::Users {
            next: page.next.as_ref().map(|id| id.as_str().to_owned()),
            users: page.accounts.into_iter().map(shown).collect(),
        };
        if left == 0 || page.next.is_none() {
            return Ok(answer);
        }
        if let Err(last) = steps.page(answer).await {
            return Ok(last);
        }
        after = page.next;
    }
}

async fn change(
    service: &Service,
    caller: &Caller,
    user: &str,
    to: UserChange,
) -> Result<Answer, OpsError> {
    let (mut change, password) = parsed(to)?;
    let before = service.find_user(user).await?;
    if is_own(caller, &before.id) {
        if locks_out(&change, password.as_ref(), &before.roles) {
            return Err(OpsError::OwnAccount);
        }
        // The roles that were found to leave the caller an administrator are those that are written.
        change.roles = change.roles_after(&before.roles);
    }
    let changed = service.change_user(caller, &before.id, change, password);
    Ok(answer(changed.await?))
}

async fn links(service: &Service, user: &UserId) -> Result<Answer, OpsError> {
    let links = service.links_of(user).await?;
    let shown = links.into_iter().map(|link| Link {
        issuer: link.outside.issuer,
        subject: link.outside.subject,
        created_at: link.created_at,
    });
    Ok(Answer::Links(shown.collect()))
}

async fn delete(service: &Service, caller: &Caller, user: &str) -> Result<Answer, OpsError> {
    // An id whose account is gone may have sessions left, of a deletion that failed half-way.
    let id = match UserId::parse(user) {
        Ok(id) => id,
        Err(_) => service.find_user(user).await?.id,
    };
    if is_own(caller, &id) {
        return Err(OpsError::OwnAccount);
    }
    let deleted = service.delete_user(caller, &id).await?;
    Ok(answer(deleted.ok_or(AccountsError::AccountUnknown)?))
}

fn parsed(to: UserChange) -> Result<(Change, Option<Password>), AccountsError> {
    let password = to.password.map(|text| Password::parse(text.expose()));
    let change = Change {
        email: to.email.as_deref().map(Email::parse).transpose()?,
        name: to.name,
        role: to.role,
        roles: to.roles,
        permissions: to.permissions,
        active: to.active,
    };
    Ok((change, password.transpose()?))
}

fn is_own(caller: &Caller, id: &UserId) -> bool {
    matches!(&caller.actor, Actor::Admin(admin) if admin == id.as_str())
}

/// Whether the owner of an account with these roles could not undo the change: closed, no
/// administrator any more, or with a password that was set without the one before.
fn locks_out(change: &Change, password: Option<&Password>, before: &[String]) -> bool {
    password.is_some() || change.may_take_an_administrator(before)
}

fn answer(done: Changed) -> Answer {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn out(to: &Value) -> bool {
        let defaults = json!({"email": null, "name": null, "role": null, "roles": null,
            "permissions": null, "active": null, "password": null});
        let mut whole = defaults;
        whole
            .as_object_mut()
            .unwrap()
            .extend(to.as_object().unwrap().clone());
        let (change, password) = parsed(serde_json::from_value(whole).unwrap()).unwrap();
        locks_out(
            &change,
            password.as_ref(),
            &["admin".to_owned(), "clerk".to_owned()],
        )
    }

    #[test]
    fn nobody_closes_or_demotes_the_account_that_asks() {
        for locked in [
            json!({"active": false}),
            json!({"role": "user"}),
            json!({"roles": ["clerk"]}),
            json!({"password": "correct horse battery"}),
        ] {
            assert!(out(&locked), "{locked}");
        }
        for fine in [
            json!({"active": true}),
            json!({"roles": ["clerk", "admin"]}),
            json!({"permissions": []}),
            json!({"name": "Ada"}),
        ] {
            assert!(!out(&fine), "{fine}");
        }
    }

    #[test]
    fn only_an_administrator_has_an_account_of_its_own() {
        let id = UserId::parse("u1").unwrap();
        let caller = |actor| Caller {
            actor,
            ..Caller::operator()
        };
        assert!(is_own(&caller(Actor::Admin("u1".to_owned())), &id));
        assert!(!is_own(&caller(Actor::Admin("u2".to_owned())), &id));
        assert!(!is_own(&caller(Actor::Operator), &id));
    }
}
