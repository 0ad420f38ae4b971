//! The table: what can happen to tokens, and what becomes of each.
//!
//! Every question about an event is a `match` without a wildcard: an event that lacks an answer
//! doesn't compile.

use crate::support::walked::walked;
use lacre::internals::token::TokenKind;

walked! {
    /// What can happen to tokens.
    Event {
        Refreshed,
        SpentAfterGrace,
        SpentLongAgo,
        LoggedOut,
        LoggedOutByRefresh,
        EndedItself,
        EndedAnother,
        EndedAllButItself,
        EndedAll,
        Expired,
        PushedOut,
        Replaced,
        PasswordChanged,
        PasswordSet,
        PasswordPut,
        Disabled,
        PutInactive,
        Deleted,
        DeletedOverHttp,
        RightsSet,
        RightsPut,
        HandleRevoked,
        UserRevoked,
        UserSessionsDeleted,
        AllRevoked,
        ClientEndedOne,
        ClientEndedOthers,
        ClientEndedAll,
        ClientTold,
        ClientRevoked,
        ClientDeleted,
    }
}

walked! {
    /// Who the users are, and who has the same id as the one that an event is about.
    Users {
        /// Accounts; a client has a user of its own of the same id.
        Accounts,
        /// A client's own users; another client has one of the same id.
        OwnBesideOwn,
        /// A client's own users; an account has the same id.
        OwnBesideAccount,
    }
}

walked! {
    /// Whose token, as the session sees it that the event is about.
    Whose {
        /// The session's own.
        Own,
        /// That of another session of the same user.
        Other,
        /// That of another user, an account too or of the same client.
        Another,
        /// That of a user of the same id who is somebody else ([`Users`]).
        Namesake,
    }
}

/// Both kinds of token.
pub(crate) const KINDS: [TokenKind; 2] = [TokenKind::Access, TokenKind::Refresh];

/// What becomes of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is refused, as noise is.
    Noise,
    /// It is as good as before.
    Stays,
    /// It gives tokens of the current generation once more, and ends nothing.
    Repeats,
}

/// How far an event reaches; within that, both kinds of token end.
enum Reach {
    Session,
    OtherSession,
    OtherSessions,
    User,
    Client,
    Everybody,
}

walked! {
    /// How the server is configured that an event is tried on.
    Rules {
        /// `refresh.grace=5m`: longer than any test.
        Patient,
        /// `refresh.grace=0s`.
        Strict,
        /// `session.absolute_ttl=4s`.
        Brief,
    }
}

impl Event {
    /// The server that it is tried on.
    pub(crate) fn rules(self) -> Rules {
        match self {
            Self::SpentAfterGrace => Rules::Strict,
            Self::Expired => Rules::Brief,
            Self::Refreshed
            | Self::SpentLongAgo
            | Self::LoggedOut
            | Self::LoggedOutByRefresh
            | Self::EndedItself
            | Self::EndedAnother
            | Self::EndedAllButItself
            | Self::EndedAll
            | Self::PushedOut
            | Self::Replaced
            | Self::PasswordChanged
            | Self::PasswordSet
            | Self::PasswordPut
            | Self::Disabled
            | Self::PutInactive
            | Self::Deleted
            | Self::DeletedOverHttp
            | Self::RightsSet
            | Self::RightsPut
            | Self::HandleRevoked
            | Self::UserRevoked
            | Self::UserSessionsDeleted
            | Self::AllRevoked
            | Self::ClientEndedOne
            | Self::ClientEndedOthers
            | Self::ClientEndedAll
            | Self::ClientTold
            | Self::ClientRevoked
            | Self::ClientDeleted => Rules::Patient,
        }
    }

    /// Whether it can happen to these users. The sessions of accounts that a client asked for end with the client as
    /// well; of those the page has a section of its own.
    pub(crate) fn happens_to(self, users: Users) -> bool {
        let own = users != Users::Accounts;
        match self {
            Self::PasswordChanged
            | Self::PasswordSet
            | Self::PasswordPut
            | Self::Disabled
            | Self::PutInactive
            | Self::Deleted
            | Self::DeletedOverHttp
            | Self::RightsSet
            | Self::RightsPut
            | Self::UserSessionsDeleted => !own,
            Self::ClientEndedOne
            | Self::ClientEndedOthers
            | Self::ClientEndedAll
            | Self::ClientTold
            | Self::ClientRevoked
            | Self::ClientDeleted => own,
            Self::Refreshed
            | Self::SpentAfterGrace
            | Self::SpentLongAgo
            | Self::LoggedOut
            | Self::LoggedOutByRefresh
            | Self::EndedItself
            | Self::EndedAnother
            | Self::EndedAllButItself
            | Self::EndedAll
            | Self::Expired
            | Self::PushedOut
            | Self::Replaced
            | Self::HandleRevoked
            | Self::UserRevoked
            | Self::AllRevoked => true,
        }
    }

    /// What it does to a token that was good before it.
    pub(crate) fn verdict(self, whose: Whose, kind: TokenKind) -> Verdict {
        let reach = match self {
            Self::Refreshed => {
                return match (whose, kind) {
                    (Whose::Own, TokenKind::Access) => Verdict::Noise,
                    (Whose::Own, TokenKind::Refresh) => Verdict::Repeats,
                    (Whose::Other | Whose::Another | Whose::Namesake, _) => Verdict::Stays,
                };
            }
            Self::RightsSet | Self::RightsPut | Self::ClientTold => {
                return match (whose, kind) {
                    (Whose::Own | Whose::Other, TokenKind::Access) => Verdict::Noise,
                    (Whose::Own | Whose::Other, TokenKind::Refresh)
                    | (Whose::Another | Whose::Namesake, _) => Verdict::Stays,
                };
            }
            Self::SpentAfterGrace
            | Self::SpentLongAgo
            | Self::LoggedOut
            | Self::LoggedOutByRefresh
            | Self::EndedItself
            | Self::Expired
            | Self::PushedOut
            | Self::Replaced
            | Self::HandleRevoked
            | Self::ClientEndedOne => Reach::Session,
            Self::EndedAnother => Reach::OtherSession,
            Self::EndedAllButItself | Self::PasswordChanged | Self::ClientEndedOthers => {
                Reach::OtherSessions
            }
            Self::EndedAll
            | Self::PasswordSet
            | Self::PasswordPut
            | Self::Disabled
            | Self::PutInactive
            | Self::Deleted
            | Self::DeletedOverHttp
            | Self::UserRevoked
            | Self::UserSessionsDeleted
            | Self::ClientEndedAll => Reach::User,
            Self::ClientRevoked | Self::ClientDeleted => Reach::Client,
            Self::AllRevoked => Reach::Everybody,
        };
        let reached = match reach {
            Reach::Session => whose == Whose::Own,
            Reach::OtherSession | Reach::OtherSessions => whose == Whose::Other,
            Reach::User => matches!(whose, Whose::Own | Whose::Other),
            Reach::Client => whose != Whose::Namesake,
            Reach::Everybody => true,
        };
        if reached {
            Verdict::Noise
        } else {
            Verdict::Stays
        }
    }

    /// What the page calls it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Refreshed => "`POST /refresh`",
            Self::SpentAfterGrace => "an earlier refresh token is used after `refresh.grace`",
            Self::SpentLongAgo => "one of two refreshes ago is used, also within `refresh.grace`",
            Self::LoggedOut => "`POST /logout` with an access token",
            Self::LoggedOutByRefresh => "`POST /logout` with a refresh token",
            Self::EndedItself => "`DELETE /sessions/{crt}`, of the session that asks",
            Self::EndedAnother => "`DELETE /sessions/{crt}`, of the user's other session",
            Self::EndedAllButItself => "`DELETE /sessions?except=current`",
            Self::EndedAll => "`DELETE /sessions`",
            Self::Expired => "the session expires, idle or absolute",
            Self::PushedOut => "the user begins one more than `session.max_per_user`: the oldest",
            Self::Replaced => "a log-in with the same `user_session`",
            Self::PasswordChanged => "`PUT /me/password`",
            Self::PasswordSet => "`lacre users set-password`",
            Self::PasswordPut => "`PUT /admin/users/{id}` with `password`",
            Self::Disabled => "`lacre users disable`",
            Self::PutInactive => "`PUT /admin/users/{id}` with `active: false`",
            Self::Deleted => "`lacre users delete`",
            Self::DeletedOverHttp => "`DELETE /admin/users/{id}`",
            Self::RightsSet => "`lacre users set --role` or `--permission`",
            Self::RightsPut => "`PUT /admin/users/{id}` with `role`, `roles` or `permissions`",
            Self::HandleRevoked => "`lacre sessions revoke HANDLE`",
            Self::UserRevoked => "`lacre sessions revoke --user`",
            Self::UserSessionsDeleted => "`DELETE /admin/users/{id}/sessions`",
            Self::AllRevoked => "`lacre sessions revoke --all`",
            Self::ClientEndedOne => "`DELETE /client/users/{id}/sessions/{crt}`",
            Self::ClientEndedOthers => "`DELETE /client/users/{id}/sessions?except={crt}`",
            Self::ClientEndedAll => "`DELETE /client/users/{id}/sessions`",
            Self::ClientTold => "`PUT /client/users/{id}`",
            Self::ClientRevoked => "`lacre sessions revoke --client`",
            Self::ClientDeleted => "`lacre clients delete`",
        }
    }

    /// The tests that prove it closer to the source.
    pub(crate) fn proofs(self) -> &'static [&'static str] {
        match self {
            Self::Refreshed => &[
                "a_refresh_makes_the_earlier_tokens_noise",
                "an_answer_that_got_lost_can_be_asked_for_again",
            ],
            Self::SpentAfterGrace => &[
                "after_the_grace_a_spent_token_ends_the_session",
                "a_spent_refresh_token_is_theft_and_ends_the_session",
            ],
            Self::SpentLongAgo => &["an_answer_that_got_lost_can_be_asked_for_again"],
            Self::LoggedOut | Self::EndedItself => {
                &["an_ended_session_is_unknown_from_the_next_call_on"]
            }
            Self::LoggedOutByRefresh => &["each_kind_of_token_is_good_for_its_own_routes"],
            Self::EndedAnother | Self::HandleRevoked => &["what_is_ended_is_ended_alone"],
            Self::EndedAllButItself => &["all_but_the_current_session_end_and_a_typo_ends_none"],
            Self::EndedAll | Self::UserRevoked | Self::UserSessionsDeleted => {
                &["all_all_but_one_and_everything"]
            }
            Self::Expired => &[
                "idle_and_absolute_lifetimes_both_hold",
                "no_access_token_outlives_its_session",
            ],
            Self::PushedOut => &[
                "one_session_too_many_ends_the_oldest",
                "the_new_session_stays_among_those_of_the_same_second",
            ],
            Self::Replaced => &["asking_again_for_the_same_pair_replaces_the_key"],
            Self::PasswordChanged => &["the_password_is_proven_again_before_it_is_changed"],
            Self::PasswordSet | Self::PasswordPut => {
                &["a_password_set_by_an_administrator_ends_all_sessions"]
            }
            Self::Disabled | Self::PutInactive => {
                &["a_disabled_account_has_no_session_and_gets_none"]
            }
            Self::Deleted | Self::DeletedOverHttp => {
                &["a_deleted_account_takes_its_sessions_along"]
            }
            Self::RightsSet | Self::RightsPut => {
                &["ended_access_comes_back_with_the_next_refresh_even_in_the_grace"]
            }
            Self::AllRevoked => &["all_all_but_one_and_everything", "removing_all_leaves_none"],
            Self::ClientEndedOne | Self::ClientEndedOthers => {
                &["a_client_ends_one_session_all_and_all_but_one"]
            }
            Self::ClientEndedAll => &[
                "a_client_ends_one_session_all_and_all_but_one",
                "one_id_is_three_users_who_never_meet",
            ],
            Self::ClientTold => &["what_is_said_anew_ends_access_and_comes_with_the_next_refresh"],
            Self::ClientRevoked => &["operators_end_them_as_they_do_those_of_accounts"],
            Self::ClientDeleted => &["the_sessions_of_a_deleted_client_have_ended"],
        }
    }
}
