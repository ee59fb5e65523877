//! hallpass inside a program of one's own: a provider in memory with one client and one user.
//!
//! ```console
//! $ cargo run --example embed
//! ```

#![allow(clippy::print_stdout, reason = "it talks to whoever runs it")]

use std::error::Error;
use std::sync::Arc;

use hallpass::app::App;
use hallpass::base::clock::Clock;
use hallpass::base::random::Random;
use hallpass::base::secret::Secret;
use hallpass::jose::key::PrivateKey;
use hallpass::jose::seal::ServerKey;
use hallpass::model::client::Client;
use hallpass::model::id::{ClientId, UserId};
use hallpass::model::user::User;
use hallpass::server;
use hallpass::settings::{Settings, Sources};
use hallpass::store::{NewKey, Options, Store};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (clock, random) = (Clock::System, Random::System);
    let now = clock.now();
    let settings = Settings::load(&Sources::default().set("issuer", "http://localhost:8000"))?;
    let listeners = server::bind(&settings.http.listen)?;
    let store = Store::in_memory(ServerKey::generate(&random), &Options::default())?;

    let key = PrivateKey::generate(2048)?;
    store.add_key(NewKey::of(&key, now)).await?;

    let mut client = Client::new(ClientId::new("my-app"), "My app".into(), 1, now);
    client.secret = Some(Secret::new("a secret of more than thirty-two bytes"));
    client.redirect_uris = vec!["http://localhost:3000/callback".into()];
    store.create_client(client).await?;

    let app = App::new(settings, store, clock, random.clone())?;
    let user = User {
        id: UserId::mint(&random),
        username: "ada".into(),
        password_hash: Some(app.passwords.hash(Secret::new("analytical engine")).await?),
        admin: false,
        enabled: true,
        claims: json!({ "name": "Ada Lovelace", "email": "ada@example.com" }).as_object().cloned().unwrap_or_default(),
        generation: 1,
        created_at: now,
        updated_at: now,
        version: 0,
    };
    app.store.create_user(user).await?;

    println!("{} knows the client my-app and the user ada; Ctrl-C ends it", app.issuer);
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    server::serve_app(Arc::new(app), listeners, stop).await?;
    Ok(())
}
