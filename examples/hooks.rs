//! A provider with decisions of its own: claims from a directory, and a rule about who logs in from where.
//!
//! ```console
//! $ cargo run --example hooks
//! ```

#![allow(clippy::print_stdout, reason = "it talks to whoever runs it")]

use std::collections::HashMap;
use std::error::Error;
use std::future::ready;

use hallpass::app::hook::{About, Answer, Attempt, Claims, Verdict};
use hallpass::{Hook, Provider};
use serde_json::json;

/// What the company knows of its people.
struct Directory {
    departments: HashMap<&'static str, &'static str>,
}

impl Hook for Directory {
    /// `department`, where the client may see the profile.
    fn claims<'a>(&'a self, mut claims: Claims, about: About<'a>) -> Answer<'a, Claims> {
        let department = about.user.and_then(|user| self.departments.get(user.username.as_str()));
        if let Some(department) = department.filter(|_| about.scope.contains("profile")) {
            claims.insert("department".into(), (*department).into());
        }
        Box::pin(ready(Ok(claims)))
    }

    /// The operator logs in at this machine only. Everybody else's password decides.
    fn authenticate<'a>(&'a self, attempt: Attempt<'a>) -> Answer<'a, Verdict> {
        let is_from_afar = !attempt.address.is_loopback();
        let verdict = if attempt.username == "operator" && is_from_afar { Verdict::Refuse } else { Verdict::Pass };
        Box::pin(ready(Ok(verdict)))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = Directory { departments: HashMap::from([("ada", "Engines"), ("operator", "Operation")]) };
    let provider = Provider::builder()
        .toml("issuer = 'http://localhost:8000'")
        .in_memory()
        .environment() // HALLPASS_ISSUER and HALLPASS_HTTP__LISTEN put it elsewhere
        .hook(directory)
        .build()
        .await?;
    let client = json!({
        "client_id": "my-app",
        "client_name": "My app",
        "client_secret": "a secret of more than thirty-two bytes",
        "redirect_uris": ["http://127.0.0.1/callback"],
    });
    provider.create_client(&client).await?;
    provider.create_user(&json!({ "username": "ada", "password": "analytical engine" })).await?;
    println!("Open {}/ (Ctrl-C ends it)", provider.issuer());
    provider.run().await?;
    Ok(())
}
