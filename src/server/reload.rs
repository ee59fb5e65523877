//! SIGHUP: the settings are read again, and come into force while the server goes on.

use std::sync::Arc;

use tracing::level_filters::LevelFilter;

use super::run::options;
use super::{Current, LiveOptions, Tls, logging};
use crate::app::StartError;
use crate::settings::{Key, Reloaded, Sources};

/// What is read again, and who goes by it.
#[derive(Clone)]
pub(super) struct Reloader {
    /// Where settings come from; without them they stay as they are.
    pub(super) sources: Option<Sources>,
    pub(super) current: Current,
    pub(super) options: LiveOptions,
    pub(super) tls: Option<Arc<Tls>>,
}

impl Reloader {
    /// Reads the settings, the templates and the certificate again. What is right comes into force for what begins from now on,
    /// in one step; where anything is wrong, all settings stay as they are. A line in the log says which of both. Reads files:
    /// not for a reactor's thread.
    pub(super) fn reload(&self) {
        if let Some(tls) = &self.tls {
            tls.reload();
        }
        match self.take_up() {
            Ok(taken_up) => taken_up.tell(),
            Err(error) => tracing::error!(%error, "SIGHUP: all settings stay as they were"),
        }
    }

    fn take_up(&self) -> Result<TakenUp, StartError> {
        let running = self.current.app();
        let reloaded = match &self.sources {
            Some(sources) => running.settings.reload(sources).map_err(StartError::Settings)?,
            None => Reloaded { settings: running.settings.clone(), applied: Vec::new(), waiting: Vec::new() },
        };
        let Reloaded { settings, applied, waiting } = reloaded;
        let levels = [running.settings.log.level, settings.log.level].map(LevelFilter::from);
        let renewed = running.with_settings(settings)?;
        self.options.set(options(&renewed));
        self.current.replace(renewed);
        Ok(TakenUp { applied, waiting, levels })
    }
}

/// What a reload did.
struct TakenUp {
    applied: Vec<&'static Key>,
    waiting: Vec<&'static Key>,
    /// What the log shows before and after.
    levels: [LevelFilter; 2],
}

impl TakenUp {
    /// Says it in the log, where that shows it before or after.
    fn tell(&self) {
        let [before, after] = self.levels;
        logging::set_level(before.max(after));
        if self.applied.is_empty() {
            tracing::info!("SIGHUP: the templates are read again; no setting has changed that can while it runs");
        } else {
            tracing::info!(settings = names(&self.applied), "SIGHUP: changed settings are in force");
        }
        if !self.waiting.is_empty() {
            tracing::warn!(settings = names(&self.waiting), "SIGHUP: changed settings wait for a restart");
        }
        logging::set_level(after);
    }
}

fn names(keys: &[&'static Key]) -> String {
    let names: Vec<&str> = keys.iter().map(|key| key.name()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{IpAddr, Ipv4Addr};
    use std::path::PathBuf;
    use std::time::Duration;

    use hyper::Method;
    use tempfile::TempDir;

    use super::*;
    use crate::app::App;
    use crate::app::hook::Hook;
    use crate::app::request::Request;
    use crate::base::clock::{Clock, FixedClock, Timestamp};
    use crate::base::random::Random;
    use crate::jose::seal::ServerKey;
    use crate::model::client::Client;
    use crate::model::id::{ClientId, Id, RefreshTokenId, UserId};
    use crate::model::user::User;
    use crate::server::Handler;
    use crate::settings::{ConfigFile, Settings};
    use crate::store::{self, Store};

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    struct Named;

    impl Hook for Named {
        fn subject(&self, user: &User, _: &Client) -> Option<String> {
            Some(format!("own {}", user.username))
        }
    }

    struct Scene {
        _directory: TempDir,
        file: PathBuf,
        reloader: Reloader,
    }

    impl Scene {
        /// A provider whose settings are this file.
        fn new(text: &str) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("hallpass.toml");
            fs::write(&file, format!("issuer = \"https://id.example\"\n{text}")).unwrap();
            let sources = Sources { file: ConfigFile::Required(file.clone()), ..Sources::default() };
            let store = Store::in_memory(ServerKey::generate(&Random::System), &store::Options::default()).unwrap();
            let settings = Settings::load(&sources).unwrap();
            let app = App::new(settings, store, Clock::Fixed(FixedClock::new(NOW)), Random::System).unwrap();
            let app = Arc::new(app.with_hooks(vec![Arc::new(Named)]));
            let live = options(&app).into();
            let reloader = Reloader { sources: Some(sources), current: app.into(), options: live, tls: None };
            Self { _directory: directory, file, reloader }
        }

        /// Another text in the file, and the signal. Gives the names of what is in force, and of what waits.
        fn reload(&self, text: &str) -> Result<(String, String), String> {
            fs::write(&self.file, format!("issuer = \"https://id.example\"\n{text}")).unwrap();
            match self.reloader.take_up() {
                Ok(taken_up) => Ok((names(&taken_up.applied), names(&taken_up.waiting))),
                Err(error) => Err(error.to_string().replace(self.file.to_str().unwrap(), "hallpass.toml")),
            }
        }

        fn app(&self) -> Arc<App> {
            self.reloader.current.app()
        }

        async fn get(&self, path: &str) -> String {
            let request = Request::in_process(Method::GET, path, NOW).unwrap();
            let reply = self.reloader.current.handle(request).await;
            format!("{} {}", reply.status_code().as_u16(), String::from_utf8_lossy(reply.body()))
        }
    }

    #[tokio::test]
    async fn changed_settings_come_into_force_and_others_wait_for_a_restart() {
        let scene = Scene::new("");
        assert!(!scene.get("/").await.contains("Gatehouse"));
        assert!(!scene.get("/.well-known/openid-configuration").await.contains("check_session_iframe"));
        let text = "[pages]\ntitle = \"Gatehouse\"\n[session_management]\nenabled = true\n[http]\nhsts = \"1d\"\n\
                    trusted_proxies = [\"10.0.0.1\"]\nidle_timeout = 7\nmax_connections = 7\n[lifetimes]\ncode = 60\n";
        let (applied, waiting) = scene.reload(text).unwrap();
        let live = "http.idle_timeout, http.trusted_proxies, http.hsts, lifetimes.code, session_management.enabled, pages.title";
        assert_eq!((applied.as_str(), waiting.as_str()), (live, "http.max_connections"));
        assert!(scene.get("/").await.contains("Gatehouse"));
        assert!(scene.get("/.well-known/openid-configuration").await.contains("check_session_iframe"));
        let in_force = scene.reloader.options.load();
        assert_eq!(in_force.strict_transport.as_ref().unwrap(), "max-age=86400");
        assert_eq!(in_force.options.idle_deadline, Duration::from_secs(7));
        assert_eq!(in_force.options.trusted_proxies.len(), 1);
        assert_eq!(in_force.options.connections, 4096);
        assert_eq!(scene.app().settings.lifetimes.code, Duration::from_secs(60));
        let again = scene.reload(text).unwrap();
        assert_eq!(again, (String::new(), "http.max_connections".to_owned()), "it still waits");
        assert_eq!(scene.reload("").unwrap(), (live.to_owned(), String::new()), "and doesn't, once it is taken back");
    }

    #[tokio::test]
    async fn what_is_wrong_changes_nothing_and_is_named_with_its_place() {
        let scene = Scene::new("[lifetimes]\ncode = 60\n");
        let before = scene.app();
        let missing = "[templates]\ndir = \"none\"\n[lifetimes]\ncode = 90\n";
        for (text, why) in [
            ("[lifetimes]\ncode = \"soon\"\n", "hallpass.toml:3: lifetimes.code is \"soon\": must be a duration"),
            ("[lifetimes]\n\ncod = 90\n", "hallpass.toml:4: unknown setting lifetimes.cod; the nearest known one is"),
            ("lifetimes", "hallpass.toml:2: not valid TOML"),
            (missing, "none"),
        ] {
            let error = scene.reload(text).unwrap_err();
            assert!(error.contains(why), "{error}");
            assert!(Arc::ptr_eq(&before, &scene.app()), "{text}");
        }
        fs::remove_file(&scene.file).unwrap();
        assert!(scene.reloader.take_up().is_err());
        assert!(Arc::ptr_eq(&before, &scene.app()));
    }

    #[test]
    fn what_contradicts_a_setting_that_waits_for_a_restart_waits_too() {
        let scene = Scene::new("");
        fs::write(&scene.file, "issuer = \"http://localhost:8000\"\n[http]\nhsts = 1\n").unwrap();
        let taken_up = scene.reloader.take_up().unwrap();
        assert_eq!((names(&taken_up.applied), names(&taken_up.waiting)), ("http.hsts".into(), "issuer".into()));
        assert_eq!(scene.app().issuer.as_str(), "https://id.example");
        let insecure = Scene::new("");
        let text = "issuer = \"http://id.example\"\nhttp.insecure = true\n";
        fs::write(&insecure.file, text).unwrap();
        let sources = insecure.reloader.sources.as_ref().unwrap();
        let running = Settings::load(sources).unwrap();
        fs::write(&insecure.file, "issuer = \"https://id.example\"\n").unwrap();
        let error = running.reload(sources).unwrap_err().to_string();
        assert!(error.contains("issuer is \"http://id.example\": must be https"), "{error}");
        assert!(error.ends_with("; issuer change with a restart only"), "{error}");
    }

    #[tokio::test]
    async fn what_is_going_on_goes_on_through_a_reload() {
        let scene = Scene::new("");
        let before = scene.app();
        let caller = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let fail =
            |app: &App| app.throttle.attempt("ada", caller, NOW).map(crate::app::throttle::Attempt::failed).is_ok();
        assert!((0..5).all(|_| fail(&before)));
        let token = RefreshTokenId(Id::mint(NOW, &Random::System));
        let turn = before.races.enter(token, NOW).unwrap();
        before.keys.ring(&before.store).await.unwrap();

        scene.reload("[lifetimes]\ncode = 60\n[password]\nmemory_kib = 8\n").unwrap();
        let after = scene.app();
        assert!(!fail(&after), "the sixth attempt has to wait");
        assert!(!fail(&before), "also for a request that began before");
        assert!(after.races.enter(token, NOW).is_none(), "the request before has its turn");
        drop(turn);
        assert!(Arc::ptr_eq(&before.keys, &after.keys) && Arc::ptr_eq(&before.codes, &after.codes));
        assert!(Arc::ptr_eq(&before.front_tokens, &after.front_tokens));
        let client = Client::new(ClientId::new("c"), "C".into(), 1, NOW);
        let user = User {
            id: UserId::new("1"),
            username: "ada".into(),
            password_hash: None,
            admin: false,
            enabled: true,
            claims: serde_json::Map::new(),
            generation: 0,
            created_at: NOW,
            updated_at: NOW,
            version: 0,
        };
        assert_eq!(after.hooks.subject(&user, &client).unwrap(), "own ada");

        scene.reload("throttle.exempt = [\"192.0.2.0/24\"]\n").unwrap();
        assert!(fail(&scene.app()), "and who is exempt now goes free");
        scene.reload("").unwrap();
        assert!(!fail(&scene.app()), "what was counted still is");
    }
}
