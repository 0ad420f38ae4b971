//! Where the ends of the store on a server are written down.

use crate::postgres::Schema;

/// A schema for the journal of the store on one server.
pub(crate) struct Beside(#[allow(dead_code)] Schema); // it goes with the server

impl Beside {
    pub(crate) fn is_available() -> bool {
        crate::postgres::is_available()
    }

    pub(crate) fn of(port: u16) -> Self {
        let making = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(Schema::named(journal_of(port)))
        });
        Self(making.join().unwrap())
    }
}

/// What the schema is called: processes that are given the URL of a server find it.
fn journal_of(port: u16) -> String {
    format!("lacre_journal_{port}")
}

/// The URL of the journal for the store at this one.
pub(crate) fn journal_url(store: &str) -> String {
    let port = store.rsplit(':').next().and_then(|port| port.parse().ok());
    // Where there is no such server, there is no such schema: what is made is left in the one that there is always.
    let schema = match port {
        Some(port) if port > 1_024 => journal_of(port),
        _ => "public".to_owned(),
    };
    let server = crate::postgres::server().unwrap();
    let glue = if server.contains('?') { '&' } else { '?' };
    format!("{server}{glue}options=-c%20search_path%3D{schema}")
}
