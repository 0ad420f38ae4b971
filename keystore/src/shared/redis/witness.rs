//! What a server is asked behind a change or a poll, and what its answer shows: that the change is confirmed, and that the
//! server led.
//!
//! This room must never take a change for confirmed that a server which may take the place of its own hasn't got.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redis::{Cmd, Pipeline, Value};

use super::place::Address;
use super::view::View;
use super::wire::{accepted, items, number, strange, text};
use crate::error::KeystoreError;

/// Why a change isn't confirmed, or a poll doesn't count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// Not all who may take the server's place have confirmed it in time.
    Replicas,
    /// The server doesn't lead any more.
    Deposed,
    /// It doesn't answer as it should.
    Strange(KeystoreError),
}

impl Lack {
    pub(super) fn into_error(self) -> KeystoreError {
        let unavailable = |why: &str| KeystoreError::unavailable(why);
        match self {
            Self::Replicas => unavailable("its replicas don't confirm it in time"),
            Self::Deposed => unavailable("another server has taken over"),
            Self::Strange(error) => error,
        }
    }
}

/// What a server is asked that shows that everything before has been confirmed, and that it led: how far it is, `WAIT` for
/// all who may take its place, how far each of them is, and who they are. A replica that has been promoted confirms
/// nothing more.
pub(super) struct Witness {
    /// The server's id where it is one of a cluster.
    pub(super) id: Option<String>,
    pub(super) address: Address,
    pub(super) slots: Vec<u16>,
    /// How many are waited for.
    replicas: AtomicUsize,
    /// What the server said last of its cluster, and how that was read: it says the same many times.
    said: Mutex<Option<(String, Arc<View>)>>,
}

/// How many questions [`Witness::ask`] asks.
pub(super) const ASKED: usize = 4;

/// How far a server is, and its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Role {
    offset: u64,
    replicas: Vec<(Address, u64)>,
}

impl Witness {
    /// Of the server at this address, one of a cluster where it has an id, that leads these slots and has so many replicas.
    pub(super) fn new(
        id: Option<String>,
        address: Address,
        slots: Vec<u16>,
        replicas: usize,
    ) -> Self {
        Self {
            id,
            address,
            slots,
            replicas: AtomicUsize::new(replicas),
            said: Mutex::default(),
        }
    }

    /// Asks behind what is to be confirmed, which must have written something; by how many it is to be.
    pub(super) fn ask(&self, pipeline: &mut Pipeline, patience_ms: u64) -> usize {
        let replicas = self.replicas();
        pipeline.cmd("ROLE");
        pipeline.cmd("WAIT").arg(replicas).arg(patience_ms);
        pipeline.cmd("ROLE");
        pipeline.add_command(self.who());
        replicas
    }

    /// How many are waited for.
    pub(super) fn replicas(&self) -> usize {
        self.replicas.load(Ordering::SeqCst)
    }

    /// Who leads.
    pub(super) fn who(&self) -> Cmd {
        if self.id.is_some() {
            let mut nodes = redis::cmd("CLUSTER");
            nodes.arg("NODES");
            nodes
        } else {
            redis::cmd("ROLE")
        }
    }

    /// Whether everything is confirmed; if so, how the server sees its cluster.
    pub(super) fn hear(&self, said: Vec<Value>) -> Result<Option<Arc<View>>, Lack> {
        let [before, waited, after, who] =
            <[Value; ASKED]>::try_from(said).map_err(|_| unread())?;
        let (before, after) = (Role::of(before)?, Role::of(after)?);
        // A refusal: the server has become a replica while it waited.
        accepted(waited).map_err(|_| Lack::Deposed)?;
        let confirmed = after
            .replicas
            .iter()
            .filter(|(_, offset)| *offset >= before.offset);
        let Some(id) = &self.id else {
            let (there, confirmed) = (after.replicas.len(), confirmed.count());
            self.replicas.store(there, Ordering::SeqCst);
            return if confirmed < there {
                Err(Lack::Replicas)
            } else {
                Ok(None)
            };
        };
        let view = self.led(who)?;
        // The word of one that has failed, or that the cluster doesn't know, doesn't stand for that of one that can take the
        // place; nor does one word stand for two.
        let mut confirmed: Vec<_> = confirmed.map(|(address, _)| address).collect();
        let (mut needed, mut lacking) = (0, 0);
        for replica in view.successors(id) {
            needed += 1;
            let own = |address: &&Address| replica.address.as_ref() == Some(*address);
            match confirmed.iter().position(own) {
                Some(place) => {
                    confirmed.swap_remove(place);
                }
                None => lacking += 1,
            }
        }
        let others = confirmed.len();
        self.replicas.store(needed + others, Ordering::SeqCst);
        if lacking > 0 {
            return Err(Lack::Replicas);
        }
        Ok(Some(view))
    }

    /// How the server sees its cluster, if it sees itself lead.
    pub(super) fn led(&self, who: Value) -> Result<Arc<View>, Lack> {
        let text = text(accepted(who).map_err(Lack::Strange)?).ok_or_else(unread)?;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, view)) = said.as_ref().filter(|(before, _)| *before == text) {
            return Ok(Arc::clone(view));
        }
        let view = View::read(&text, &self.address).ok_or_else(unread)?;
        let id = self.id.as_deref().ok_or_else(unread)?;
        let myself = view.myself().is_some_and(|node| node.id == id);
        if !myself || !view.leads(id, &self.slots) {
            return Err(Lack::Deposed);
        }
        let view = Arc::new(view);
        *said = Some((text, Arc::clone(&view)));
        Ok(view)
    }
}

impl Role {
    /// That of a server that leads.
    fn of(said: Value) -> Result<Self, Lack> {
        let mut said = items(accepted(said).map_err(Lack::Strange)?).into_iter();
        match said.next().and_then(text).as_deref() {
            Some("master") => {}
            Some(_) => return Err(Lack::Deposed),
            None => return Err(unread()),
        }
        let offset = said.next().and_then(number).ok_or_else(unread)?;
        let replicas = said.next().map(items).ok_or_else(unread)?;
        let replicas = replicas.into_iter().map(|replica| {
            let mut said = items(replica).into_iter();
            let address = Address {
                host: said.next().and_then(text)?,
                port: said.next().and_then(number)?.try_into().ok()?,
            };
            Some((address, said.next().and_then(number)?))
        });
        Ok(Self {
            offset,
            replicas: replicas.collect::<Option<_>>().ok_or_else(unread)?,
        })
    }
}

fn unread() -> Lack {
    Lack::Strange(strange())
}

#[cfg(test)]
mod tests {
    use super::super::view::tests::{SAID, asked};
    use super::*;

    fn witness(id: Option<&str>) -> Witness {
        Witness::new(id.map(str::to_owned), asked(), vec![0, 5460], 0)
    }

    fn says(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn role(offset: u64, replicas: &[(&str, &str, &str)]) -> Value {
        let replicas = replicas
            .iter()
            .map(|(host, port, offset)| Value::Array(vec![says(host), says(port), says(offset)]));
        Value::Array(vec![
            says("master"),
            Value::Int(offset.cast_signed()),
            Value::Array(replicas.collect()),
        ])
    }

    const C: (&str, &str, &str) = ("10.0.0.9", "7002", "50");
    const D: (&str, &str, &str) = ("10.0.0.4", "7000", "55");
    const E: (&str, &str, &str) = ("10.0.0.5", "7000", "60");

    /// What is heard of a server that was at 50 before it waited.
    fn hear(witness: &Witness, after: &[(&str, &str, &str)], who: Value) -> Result<(), Lack> {
        let said = vec![role(50, &[]), Value::Int(9), role(60, after), who];
        witness.hear(said).map(drop)
    }

    #[test]
    fn a_change_is_confirmed_by_all_who_may_take_the_server_s_place() {
        let witness = witness(Some("a"));
        assert_eq!(hear(&witness, &[C], says(SAID)), Err(Lack::Replicas));
        assert_eq!(witness.replicas(), 2, "from now on");
        let behind = (D.0, D.1, "49");
        assert_eq!(
            hear(&witness, &[C, behind], says(SAID)),
            Err(Lack::Replicas)
        );
        assert_eq!(hear(&witness, &[C, D], says(SAID)), Ok(()));
    }

    #[test]
    fn the_word_of_a_replica_that_has_failed_stands_for_no_other() {
        let witness = witness(Some("a"));
        assert_eq!(hear(&witness, &[C, E], says(SAID)), Err(Lack::Replicas));
        assert_eq!(witness.replicas(), 3, "it is waited for as well");
        assert_eq!(hear(&witness, &[C, D, E], says(SAID)), Ok(()));
    }

    #[test]
    fn the_word_of_one_that_the_cluster_does_not_know_stands_for_no_other() {
        let stranger = ("10.0.0.77", "7000", "60");
        let witness = witness(Some("a"));
        assert_eq!(
            hear(&witness, &[C, stranger], says(SAID)),
            Err(Lack::Replicas)
        );
        assert_eq!(witness.replicas(), 3, "it is waited for as well");
        let stuck = (stranger.0, stranger.1, "0");
        assert_eq!(hear(&witness, &[C, D, stuck], says(SAID)), Ok(()));
        assert_eq!(witness.replicas(), 2, "and not where it takes nothing");
        assert_eq!(hear(&witness, &[C, D, stranger], says(SAID)), Ok(()));
    }

    /// A replica that has lost its name has a new one at its address, beside the one of before until that has failed.
    #[test]
    fn one_word_stands_for_one_of_two_at_the_same_address() {
        let twice = format!("{SAID}g 10.0.0.4:7000@17000 slave a 0 1 3 connected\n");
        let witness = witness(Some("a"));
        assert_eq!(hear(&witness, &[C, D], says(&twice)), Err(Lack::Replicas));
        assert_eq!(witness.replicas(), 3);
        let failed = twice.replace(
            "g 10.0.0.4:7000@17000 slave",
            "g 10.0.0.4:7000@17000 slave,fail",
        );
        assert_eq!(hear(&witness, &[C, D], says(&failed)), Ok(()));
        assert_eq!(witness.replicas(), 2);
    }

    #[test]
    fn who_leads_no_more_confirms_nothing() {
        let elsewhere = SAID.replace(" 0-5460", " 0-5459");
        let replica = SAID.replace("myself,master", "myself,slave");
        let failed = SAID.replace("myself,master", "myself,master,fail");
        let another = SAID
            .replace("myself,", "")
            .replace("b 10.0.0.2:7000@17000 ", "b 10.0.0.2:7000@17000 myself,");
        for said in [elsewhere, replica, failed, another] {
            let heard = hear(&witness(Some("a")), &[C, D], says(&said));
            assert_eq!(heard, Err(Lack::Deposed), "{said}");
        }
        let heard = hear(&witness(Some("a")), &[C, D], Value::Nil);
        assert!(matches!(heard, Err(Lack::Strange(_))));
        let now_replica = Value::Array(vec![says("slave"), says("10.0.0.2")]);
        for place in [0, 2] {
            let mut said = vec![role(50, &[]), Value::Int(9), role(60, &[C, D]), says(SAID)];
            said[place] = now_replica.clone();
            assert_eq!(witness(Some("a")).hear(said), Err(Lack::Deposed));
        }
        let heard = witness(Some("a")).hear(vec![Value::Int(2)]);
        assert!(matches!(heard, Err(Lack::Strange(_))));
    }

    #[test]
    fn what_a_server_says_once_more_is_read_once_and_anything_else_anew() {
        let witness = witness(Some("a"));
        let view = witness.led(says(SAID)).unwrap();
        assert!(Arc::ptr_eq(&view, &witness.led(says(SAID)).unwrap()));
        let elsewhere = SAID.replace(" 0-5460", " 0-5459");
        for _ in 0..2 {
            assert_eq!(witness.led(says(&elsewhere)), Err(Lack::Deposed));
        }
        let later = SAID.replace("master - 0 1 2 connected", "master - 0 9 2 connected");
        assert_eq!(witness.led(says(&later)), Ok(Arc::clone(&view)));
        let failed = SAID.replace("slave a 0 1 3", "slave,fail a 0 1 3");
        assert_eq!(
            witness.led(says(&failed)).unwrap().successors("a").count(),
            1
        );
        assert_eq!(view.successors("a").count(), 2);
    }

    #[test]
    fn one_server_is_confirmed_by_all_replicas_that_it_has() {
        let witness = witness(None);
        assert_eq!(hear(&witness, &[], role(60, &[])), Ok(()));
        let behind = (C.0, C.1, "49");
        assert_eq!(
            hear(&witness, &[behind], role(60, &[])),
            Err(Lack::Replicas)
        );
        assert_eq!(witness.replicas(), 1);
        assert_eq!(hear(&witness, &[C], role(60, &[])), Ok(()));
    }
}
