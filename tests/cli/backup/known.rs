//! What of accounts, audit and receipts goes into a backup and comes back.

use super::*;

#[test]
fn what_the_accounts_have_lost_is_told_and_who_was_disabled_stays_so() {
    let setup = Setup::new();
    let mut server = setup.start();
    for name in ["closed", "password", "rights", "deleted", "same"] {
        add_user(&setup, &format!("{name}@example.com"));
    }
    backup(&setup);
    lacre(&setup, "users disable closed@example.com").ok();
    let words = [
        "users",
        "set-password",
        "password@example.com",
        "--password-stdin",
    ];
    run_with(&mut setup.lacre(words), b"quite another password").ok();
    lacre(&setup, "users set rights@example.com --role editor").ok();
    lacre(&setup, "users delete deleted@example.com").ok();
    add_user(&setup, "new@example.com");
    let gone = log_in(&server, "new@example.com");
    let same = log_in(&server, "same@example.com");
    let other = server.get_token("password@example.com", "quite another password");
    assert!(server.stop().success());
    let restored = restore(&setup, "--replace").ok();
    let told = restored.stdout;
    for said in [
        "1 had been deleted since, or are new here, and are there again: deleted@example.com",
        "1 were made since, and are gone with their sessions: new@example.com",
        "1 were disabled since, and stay so: closed@example.com",
        "1 have their password of then again; their sessions ended: password@example.com",
        "1 have their roles and permissions of then again: rights@example.com",
    ] {
        assert!(told.contains(said), "{told}");
    }
    server.restart();
    server.refuses(&gone.auth);
    server.refuses(&other.auth);
    server.accepts(&same.auth);
    server.accepts(&log_in(&server, "password@example.com").auth);
    server
        .try_get_token("closed@example.com", PASSWORD)
        .expect(401);
    for cause in ["account_closed", "password_changed"] {
        let event = format!("cause={cause} by=lacre");
        assert!(restored.stderr.contains(&event), "{}", restored.stderr);
    }
}

#[test]
fn where_the_accounts_are_lost_they_come_back_and_all_sessions_end() {
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    backup(&setup);
    assert!(server.stop().success());
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(setup.data().join(format!("accounts.sqlite{ending}")));
    }
    let told = restore(&setup, "--replace --json").ok().json();
    assert_eq!(told["sessions"]["all_ended"], true);
    server.restart();
    server.refuses(&token.auth);
    server.accepts(&log_in(&server, "ada@example.com").auth);
}

#[test]
fn accounts_in_postgresql_are_backed_up_and_restored_too() {
    let (Some(first), Some(second)) = (Schema::new(), Schema::new()) else {
        return;
    };
    let setup = Setup::new();
    let at = |schema: &Schema| setup.clone().env("LACRE_ACCOUNTS__URL", schema.url());
    let server = at(&first).start();
    add_user(&at(&first), "ada@example.com");
    lacre(&at(&first), "backup b").ok();
    drop(server);
    restore(&at(&first), "").failed(1, "restore_not_empty");
    add_user(&at(&first), "new@example.com");
    let told = restore(&at(&first), "--replace --json").ok().json();
    assert_eq!(told["accounts"]["gone"]["emails"][0], "new@example.com");
    let there = elsewhere(&at(&second));
    restore(&there, &format!("--key-file {}", master_key(&setup))).ok();
    let server = there.start();
    server.accepts(&log_in(&server, "ada@example.com").auth);
}

#[test]
fn who_takes_a_backup_and_who_restores_one_is_in_the_audit_log() {
    let setup = Setup::new();
    let server = setup.start();
    add_user(&setup, "ada@example.com");
    backup(&setup);
    lacre(&setup, "keystore export sessions").ok();
    for action in ["backup_taken", "sessions_exported"] {
        let event = format!("event=operator_acted action={action} by=operator");
        assert!(server.written().contains(&event), "{}", server.written());
    }
    drop(server);
    let restored = restore(&setup, "--replace").ok().stderr;
    assert!(
        restored.contains("action=backup_restored by=operator"),
        "{restored}"
    );
    let imported = lacre(&setup, "keystore import sessions").ok().stderr;
    assert!(
        imported.contains("action=sessions_imported by=operator"),
        "{imported}"
    );
}

/// What a thief of the file sees.
#[test]
fn nothing_of_a_deployment_can_be_read_in_its_backup() {
    let setup = Setup::new();
    let server = setup.start();
    let id = add_user(&setup, "ada@example.com");
    let token = log_in(&server, "ada@example.com");
    let content = std::fs::read(backup(&setup)).unwrap();
    let master = std::fs::read_to_string(setup.data().join("master.key")).unwrap();
    let key = master.trim().split_once(':').unwrap().1;
    for text in [
        key,
        "ada@example.com",
        &id,
        &token.crt,
        "argon2",
        "accounts",
    ] {
        assert!(
            memchr::memmem::find(&content, text.as_bytes()).is_none(),
            "{text}"
        );
    }
}

#[test]
fn a_restored_deployment_goes_on_with_its_receipts_and_says_so_in_a_line() {
    let setup = Setup::new();
    let mut server = setup.start();
    add_user(&setup, "ada@example.com");
    let end = |setup: &Setup, server: &Server| {
        let token = log_in(server, "ada@example.com");
        lacre(setup, &format!("sessions revoke {}", token.crt)).ok();
        token.crt
    };
    let first = end(&setup, &server);
    log_in(&server, "ada@example.com");
    let keys = file(&setup, "receipts.jwks");
    std::fs::write(&keys, lacre(&setup, "receipts key").ok().stdout).unwrap();
    backup(&setup);
    // Of this one the backup knows nothing.
    end(&setup, &server);
    let export = |setup: &Setup, name: &str| {
        let path = file(setup, name);
        lacre(setup, &format!("receipts export {}", path.display())).ok();
        path
    };
    let lost = export(&setup, "lost");
    let there = elsewhere(&setup);
    let told = restore(&there, &format!("--key-file {}", master_key(&setup))).ok();
    assert!(
        told.stdout
            .contains("receipts: a new file goes on with line 3;"),
        "{told:?}"
    );
    let mut elsewhere = there.start();
    end(&there, &elsewhere);
    lacre(&there, &format!("receipts show {first}")).failed(1, "receipt_unknown");
    let after = export(&there, "after");
    let words = format!(
        "receipts verify {} {} --key {}",
        lost.display(),
        after.display(),
        keys.display()
    );
    let said = lacre(&Setup::new(), &words).ok().stdout;
    let apart = format!("{} goes on from a backup at line 3;", after.display());
    assert!(said.contains(&apart), "{said}");
    assert!(said.contains("lines      3 to 5\n"), "{said}");
    assert!(elsewhere.stop().success());

    // In the directory itself, whose keystore is lost: the file that is there knows more than the backup.
    assert!(server.stop().success());
    std::fs::remove_dir_all(setup.data().join("keystore")).unwrap();
    let told = restore(&setup, "--replace").ok();
    assert!(
        told.stdout
            .contains("receipts: line 4 of the file that is here"),
        "{told:?}"
    );
    server.restart();
    end(&setup, &server);
    let proven = lacre(&setup, "receipts verify --json").ok().json();
    assert_eq!(
        (&proven[0]["first"], &proven[0]["ends"]),
        (&json!(1), &json!(3))
    );
}
