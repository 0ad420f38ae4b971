//! Commands, beside a node and without one.

use super::{Deployment, EMAIL, PASSWORD};
use serde_json::Value;

on_every_engine!(
    postgres:
        a_command_on_one_node_and_one_without_any_act_on_all;
    redis:
        a_command_on_one_node_and_one_without_any_act_on_all,
        what_isnt_built_for_sessions_on_redis_is_refused_by_name;
);

fn a_command_on_one_node_and_one_without_any_act_on_all(deployment: &Deployment) {
    let [a, b] = deployment.start();
    a.sign_up(EMAIL, PASSWORD);
    let tokens = [a.get_token(EMAIL, PASSWORD), b.get_token(EMAIL, PASSWORD)];
    let without = deployment.node();
    let run = |arguments: &[&str]| {
        let output = without.lacre(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = |text: String| -> Vec<Value> {
        let page: Value = serde_json::from_str(&text).unwrap();
        page["sessions"].as_array().unwrap().clone()
    };
    assert_eq!(listed(a.operator(&["keystore", "list", "--json"])).len(), 2);
    assert_eq!(
        listed(b.operator(&["keystore", "list", "--user", EMAIL, "--json"])).len(),
        2
    );
    assert_eq!(listed(run(&["keystore", "list", "--json"])).len(), 2);
    run(&["keystore", "verify"]);
    run(&["users", "show", EMAIL]);
    run(&["sessions", "revoke", &tokens[0].crt]);
    for node in [&a, &b] {
        node.refuses(&tokens[0].auth);
        node.accepts(&tokens[1].auth);
    }
    run(&["users", "disable", EMAIL]);
    for node in [&a, &b] {
        node.refuses(&tokens[1].auth);
    }
}

/// Nothing of it is changed.
fn what_isnt_built_for_sessions_on_redis_is_refused_by_name(deployment: &Deployment) {
    let [a] = deployment.start();
    let file = a.setup().home().join("backup");
    let file = file.to_str().unwrap();
    a.operator(&["backup", file]);
    for (arguments, code) in [
        (&["restore", file][..], "not_with_redis"),
        (&["keystore", "import", file], "not_with_redis"),
    ] {
        let output = a.setup().lacre(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.trim_end().ends_with(&format!("({code})")), "{said}");
    }
    a.is_well();
}

#[test]
fn doctor_looks_at_the_store() {
    let Some(deployment) = Deployment::new() else {
        return;
    };
    let doctor = |setup: &crate::support::server::Setup| {
        let output = setup.lacre(["doctor", "--json"]).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let has = |found: &Value, code: &str, level: &str| {
        let all = found.as_array().unwrap();
        all.iter()
            .any(|one| one["code"] == code && one["level"] == level)
    };
    let [a] = deployment.start();
    let found = doctor(a.setup());
    assert!(has(&found, "deployment", "good"), "{found}");
    assert!(has(&found, "store_no_standby", "advice"), "{found}");
    deployment.database.down();
    let found = doctor(a.setup());
    assert!(has(&found, "store_unavailable", "wrong"), "{found}");
    let far = a
        .setup()
        .clone()
        .env("LACRE_KEYSTORE__URL", "postgres://lacre@192.0.2.1/lacre");
    assert!(has(&doctor(&far), "store_without_tls", "advice"));
    deployment.database.up();
}
