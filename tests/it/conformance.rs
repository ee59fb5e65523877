//! The OpenID Foundation's conformance plan for a Basic OP: each of its modules has a test of ours, and the table that says which
//! is checked.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::harness::*;

/// How many modules the plan has.
const MODULES: usize = 38;

#[test]
fn each_module_of_the_basic_plan_has_a_test_or_a_reason() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let table = fs::read_to_string(tests.join("golden/conformance.txt")).unwrap();
    let mut modules = BTreeSet::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (module, rest) = line.split_once(' ').unwrap();
        assert!(modules.insert(module), "{module} stands twice");
        let rest = rest.trim();
        if let Some(reason) = rest.strip_prefix("- ") {
            assert!(!reason.is_empty(), "{module} has neither test nor reason");
            continue;
        }
        for test in rest.split(' ') {
            let (file, name) = test.split_once("::").unwrap();
            let source = fs::read_to_string(tests.join(format!("{file}.rs"))).unwrap();
            assert!(source.contains(&format!("test]\nasync fn {name}()")), "{module}: there is no test {test}");
        }
    }
    assert_eq!(modules.len(), MODULES);
}

#[tokio::test]
async fn parameters_and_scopes_may_come_in_any_order() {
    let provider = Provider::start().await;
    let mut parameters = request(&[("scope", "email openid"), ("nonce", "n")]);
    parameters.reverse();
    let code = provider.browser().code(ADA, &parameters).await;
    let tokens = provider.redeem(&code).await.tokens();
    let (_, claims) = provider.verify(tokens.id()).await;
    assert_eq!(claims["nonce"], "n");
    assert!(!claims.contains_key("name") && !claims.contains_key("email"), "{claims:?}");
    let userinfo = provider.userinfo(&tokens.access_token).await.json();
    assert_eq!((&userinfo["email"], &userinfo["email_verified"]), (&"ada@ada.example".into(), &true.into()));
    assert!(userinfo.get("name").is_none(), "{userinfo}");
}
