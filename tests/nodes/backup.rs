//! Backups of several nodes, taken while they work.

use super::{Deployment, EMAIL, PASSWORD};
use crate::support::server::{Setup, Token};
use serde_json::Value;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One machine on its own, with nothing but the master key of the nodes.
fn elsewhere(deployment: &Deployment, name: &str) -> Setup {
    let setup = Setup::new();
    let data = setup.home().join(name);
    let accounts = format!("sqlite:{}", data.join("accounts.sqlite").display());
    let key = deployment.master_key();
    setup
        .data_dir(&data)
        .env("LACRE_ACCOUNTS__URL", &accounts)
        .env("LACRE_MASTER_KEY_FILE", key.to_str().unwrap())
}

fn restored(setup: &Setup, file: &Path, more: &[&str]) -> Output {
    let arguments = [&["restore", file.to_str().unwrap(), "--json"][..], more].concat();
    setup.lacre(arguments).output().unwrap()
}

fn code(output: &Output) -> String {
    String::from_utf8(output.stderr.clone())
        .unwrap()
        .trim_end()
        .to_owned()
}

#[test]
fn a_backup_beside_nodes_at_work_brings_accounts_back_and_no_session() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let [a, b] = deployment.start();
    let user = a.sign_up(EMAIL, PASSWORD).id;
    let client = a.add_client("shop");
    let kept = a.get_token(EMAIL, PASSWORD);
    let ended = b.get_token(EMAIL, PASSWORD);
    let home = a.setup().home();
    let [beside, without, export] = ["beside", "without", "export"].map(|name| home.join(name));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Sessions begin, are refreshed and end at the other node meanwhile, and nothing fails.
        scope.spawn(|| {
            let mut number = 0;
            while !over.load(Ordering::SeqCst) {
                number += 1;
                let token = Token::of(&b.client_token(&client, &user, &format!("s{number}")));
                b.revoke(&token.auth, &token.crt).expect(204);
            }
        });
        a.operator(&["backup", beside.to_str().unwrap()]);
        a.operator(&["keystore", "export", export.to_str().unwrap()]);
        let alone = deployment
            .node()
            .lacre(["backup", without.to_str().unwrap()])
            .output()
            .unwrap();
        over.store(true, Ordering::SeqCst);
        assert!(alone.status.success(), "{alone:?}");
    });
    b.revoke(&ended.auth, &ended.crt).expect(204);
    for (number, file) in [&beside, &without].into_iter().enumerate() {
        let place = elsewhere(&deployment, &format!("there-{number}"));
        // Other nodes may have worked, also where none was asked.
        let refused = restored(&place, file, &["--keep-sessions"]);
        assert!(
            code(&refused).ends_with("(backup_not_at_rest)"),
            "{refused:?}"
        );
        let output = restored(&place, file, &[]);
        assert!(output.status.success(), "{output:?}");
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let named = said["sessions"]["ended_handles"].as_array().unwrap();
        for token in [&kept, &ended] {
            assert!(named.iter().any(|handle| *handle == *token.crt), "{said}");
        }
        assert_eq!(said["sessions"]["live"], 0);
        let server = place.start();
        for token in [&kept, &ended] {
            server.refuses(&token.auth);
        }
        server.accepts(&server.get_token(EMAIL, PASSWORD).auth);
    }
    let import = ["restore", export.to_str().unwrap()];
    let refused = elsewhere(&deployment, "other")
        .lacre(import)
        .output()
        .unwrap();
    assert!(
        code(&refused).ends_with("(backup_sessions_only)"),
        "{refused:?}"
    );
    a.accepts(&kept.auth);
}

#[test]
fn a_node_that_is_killed_while_it_backs_up_leaves_no_file() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let [mut a, b] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    let token = b.get_token(EMAIL, PASSWORD);
    let file = a.setup().home().join("backup");
    let mut ended_whole = 0;
    for millis in [0, 2, 5, 10, 20] {
        let mut command = a
            .setup()
            .lacre(["backup", file.to_str().unwrap(), "--force"]);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut backing_up = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(millis * 10));
        a.kill9();
        let done = backing_up.wait().unwrap().success();
        ended_whole += usize::from(done);
        // Whole, or not there: the command may have gone on without the node.
        if file.exists() {
            assert!(ended_whole > 0);
            let place = elsewhere(&deployment, &format!("there-{millis}"));
            let output = restored(&place, &file, &[]);
            assert!(output.status.success(), "{output:?}");
        }
        a.restart();
        b.accepts(&token.auth);
    }
}
