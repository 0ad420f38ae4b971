//! The store at scale: what a given number of sessions takes on the disk, in memory and in time.
//!
//! `scale begin` fills a data directory that `lacre serve` can serve; `scale open` opens one that is
//! there, in a process that has done nothing else; `scale turn` ends all sessions and begins as many
//! anew, some rounds. Each prints lines of JSON. `tests/bench/million.py` runs them, and
//! `tests/bench/nodes_million.py` fills the store of several nodes.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // not a service: it says so and stops

mod filling;
mod rules;

use clap::Parser as _;
use futures_util::FutureExt as _;
use lacre::Lacre;
use lacre::clock::SystemClock;
use lacre::internals::config::Config;
use lacre::internals::deployment::Deployment;
use lacre::internals::entropy;
use rules::rules;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::{Builder, Runtime};

#[derive(clap::Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
    /// The data directory.
    #[arg(long, global = true, default_value = "target/bench/scale")]
    data_dir: PathBuf,
    /// Opens the store of several nodes that the environment names (`LACRE_KEYSTORE__ENGINE`), as one of them.
    #[arg(long, global = true)]
    node: bool,
}

#[derive(clap::Subcommand)]
enum Task {
    /// Begins sessions in a new directory.
    Begin {
        #[arg(long)]
        sessions: usize,
        /// The tokens of how many of them are written to the file.
        #[arg(long)]
        tokens: usize,
        #[arg(long)]
        out: PathBuf,
    },
    /// Opens the directory and reads every record once.
    Open {
        /// Opens it alone.
        #[arg(long)]
        unread: bool,
    },
    /// Ends all sessions and begins as many anew.
    Turn {
        #[arg(long)]
        rounds: usize,
    },
}

fn main() {
    let arguments =
        Arguments::parse_from(std::env::args().filter(|argument| argument != "--bench"));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let before = Instant::now();
    let node = arguments
        .node
        .then(|| runtime.block_on(node(&arguments.data_dir)));
    let lacre = node.as_ref().map_or_else(
        || Lacre::open(&arguments.data_dir, rules()).unwrap(),
        |node| node.service().lacre().clone(),
    );
    let opened = before.elapsed().as_secs_f64();
    match arguments.task {
        Task::Begin {
            sessions,
            tokens,
            out,
        } => {
            let before = Instant::now();
            let kept = filling::begin(&runtime, &lacre, tokens);
            let begun = before.elapsed().as_secs_f64();
            std::fs::write(out, kept.join("\n") + "\n").unwrap();
            let before = Instant::now();
            filling::put_more(&runtime, &lacre, sessions - tokens);
            let put = before.elapsed().as_secs_f64();
            println!(
                "{}",
                state(&runtime, &lacre, json!({ "begin_s": begun, "put_s": put }))
            );
        }
        Task::Open { unread } => {
            println!("{}", state(&runtime, &lacre, json!({ "open_s": opened })));
            if unread {
                return;
            }
            let before = Instant::now();
            let live = live(&lacre);
            let seen = json!({ "read_s": before.elapsed().as_secs_f64(), "live_bytes": live });
            println!("{}", state(&runtime, &lacre, seen));
        }
        Task::Turn { rounds } => {
            println!("{}", state(&runtime, &lacre, json!({ "round": 0 })));
            for round in 1..=rounds {
                turn(&runtime, &lacre, round);
            }
        }
    }
    runtime.block_on(async {
        lacre.keystore().close().await;
        if let Some(node) = node {
            node.close().await;
        }
    });
}

/// A node that serves nobody.
async fn node(data_dir: &Path) -> Deployment {
    let directory = ("data_dir".to_owned(), data_dir.to_str().unwrap().to_owned());
    let config = Config::load(None, vec![directory], false).unwrap();
    let clock = Arc::new(SystemClock::default());
    let opened = Deployment::open(&config, clock, entropy::system());
    opened.await.unwrap()
}

/// Ends all sessions and begins as many.
fn turn(runtime: &Runtime, lacre: &Lacre, round: usize) {
    let count =
        usize::try_from(runtime.block_on(lacre.keystore().stats()).unwrap().records).unwrap();
    let end = runtime.block_on(async {
        let before = Instant::now();
        assert_eq!(lacre.revoke_all().await.unwrap(), count as u64);
        before.elapsed().as_secs_f64()
    });
    let before = Instant::now();
    filling::put_more(runtime, lacre, count);
    let put = before.elapsed().as_secs_f64();
    let seen = json!({ "round": round, "end_s": end, "put_s": put });
    println!("{}", state(runtime, lacre, seen));
}

/// The bytes of all names and sealed records, each read once. Records of one page are taken to be
/// as long as its first.
fn live(lacre: &Lacre) -> usize {
    let (mut bytes, mut after) = (0, None);
    loop {
        let page = lacre.keystore().list_all(after, 512).now_or_never();
        let page = page.unwrap().unwrap();
        assert!(page.damaged.is_empty());
        if let Some((key, _)) = page.entries.first() {
            let stored = lacre.keystore().get(key).now_or_never();
            let sealed = stored.unwrap().unwrap().unwrap().version.len();
            bytes += page.entries.len() * (key.to_bytes().len() + sealed);
        }
        after = page.next;
        if after.is_none() {
            return bytes;
        }
    }
}

/// `seen`, and what the store and this process take now.
fn state(runtime: &Runtime, lacre: &Lacre, mut seen: Value) -> Value {
    let stats = runtime.block_on(lacre.keystore().stats()).unwrap();
    let process = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = process.lines().find_map(|line| {
        let kib = line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?;
        kib.parse::<u64>().ok()
    });
    seen["records"] = stats.records.into();
    seen["disk_bytes"] = stats.bytes_on_disk.into();
    seen["resident_bytes"] = (resident.unwrap() * 1024).into();
    seen
}
