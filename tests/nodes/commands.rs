//! Commands, beside a node and without one.

use super::{Deployment, EMAIL, PASSWORD};
use serde_json::Value;

on_every_engine!(
    postgres:
        a_command_on_one_node_and_one_without_any_act_on_all;
    redis:
        a_command_on_one_node_and_one_without_any_act_on_all;
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
