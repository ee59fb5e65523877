//! How a command reaches the administration.
//!
//! There are three ways, and what comes of a call is the same on each: over the socket of the server that has the store,
//! in process where no server runs, and over the network with `--url`. A server may start or end at any moment, so the
//! first two take turns for a while. No change is ever made twice: see [`wire`].

use std::cell::{Cell, OnceCell};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use super::failure::Failure;
use super::in_process::InProcess;
use super::remote::Remote;
use super::wire::{self, Callee, Lost};
use super::{Invocation, output};
use crate::admin::{self, Answer, Call, MAX_BODY, Method};
use crate::base::encode;
use crate::base::form::Form;
use crate::base::secret::Secret;
use crate::server::socket;
use crate::settings::Settings;
use crate::store::Store;

/// How long a command waits for another process that has the store and takes no calls: another command, or a server that
/// starts or ends.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long it sleeps between two attempts.
const STEP: Duration = Duration::from_millis(50);

/// Longer addresses are nobody's.
const MAX_PATH: usize = 4096;

/// The administration of a provider.
pub(super) struct Administration {
    runtime: Runtime,
    way: Way,
}

enum Way {
    /// By the store on this machine.
    Here(Box<Here>),
    /// By `--url`.
    There(Remote),
}

impl Administration {
    /// Of the provider that is there: what `--url` names, or the one whose store the settings name.
    pub(super) fn reach(invocation: &Invocation) -> Result<Self, Failure> {
        Self::by(invocation, false)
    }

    /// The same, but makes the store when there is none: the first command of a new installation need not be `init`.
    pub(super) fn reach_or_create(invocation: &Invocation) -> Result<Self, Failure> {
        Self::by(invocation, true)
    }

    fn by(invocation: &Invocation, may_create: bool) -> Result<Self, Failure> {
        let way = match &invocation.url {
            Some(url) => {
                let token = invocation.sources().admin_token();
                let outbound = || Ok(invocation.settings()?.outbound);
                Way::There(Remote::new(url, token.as_ref().map(Secret::expose), outbound)?)
            }
            None => Way::Here(Box::new(Here::new(invocation.settings()?, may_create, false))),
        };
        Ok(Self { runtime: runtime()?, way })
    }

    /// Opens the store in this process, and makes it first when there is none: for whoever needs the store itself.
    pub(super) fn open_or_create(settings: &Settings) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let here = Here::new(settings.clone(), true, true);
        runtime.block_on(here.open())?;
        Ok(Self { runtime, way: Way::Here(Box::new(here)) })
    }

    /// Makes the store; there must be none.
    pub(super) fn create(settings: &Settings) -> Result<Self, Failure> {
        let here = Here::new(settings.clone(), true, true);
        let created = InProcess::create(settings)?;
        let here = Here { opened: OnceCell::from(created), ..here };
        Ok(Self { runtime: runtime()?, way: Way::Here(Box::new(here)) })
    }

    /// The store alone.
    ///
    /// # Errors
    /// When it isn't open in this process.
    pub(super) fn into_store(self) -> Result<Store, Failure> {
        let opened = match self.way {
            Way::Here(here) => here.opened.into_inner(),
            Way::There(_) => None,
        };
        opened.map(InProcess::into_store).ok_or_else(|| Failure::failed("the store is not open in this process"))
    }

    /// Whether the store was made for development.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn is_development(&self) -> Result<bool, Failure> {
        self.opened().map_or(Ok(false), |opened| self.runtime.block_on(opened.is_development()))
    }

    /// Takes back what was made to get here, since it came to nothing.
    pub(super) fn undo(&self) {
        if let Some(opened) = self.opened() {
            opened.undo();
        }
    }

    fn opened(&self) -> Option<&InProcess> {
        match &self.way {
            Way::Here(here) => here.opened.get(),
            Way::There(_) => None,
        }
    }

    /// Adds something to a list. A store that was made for it goes again when that fails, and is announced when it does
    /// not.
    pub(super) fn add(&self, list: &str, body: Value) -> Result<Map<String, Value>, Failure> {
        let added = self.call(Method::Post, &[list], body).inspect_err(|_| self.undo())?;
        if let Some(store) = self.opened().and_then(InProcess::made) {
            output::note(&format!("made a new store: {}", store.display()));
        }
        Ok(added)
    }

    /// Makes a call at an address below [`admin::ROOT`], given as its parts; gives the answer's body, after its warnings
    /// were said.
    ///
    /// # Errors
    /// [`Failure::Failed`] with the problem's one line.
    pub(super) fn call(&self, method: Method, address: &[&str], body: Value) -> Result<Map<String, Value>, Failure> {
        self.ask(method, address, Form::default(), body)
    }

    /// Shows what is at an address.
    pub(super) fn get(&self, address: &[&str]) -> Result<Map<String, Value>, Failure> {
        self.call(Method::Get, address, Value::Null)
    }

    /// Shows what is at an address for a query.
    pub(super) fn find(&self, address: &[&str], query: Form) -> Result<Map<String, Value>, Failure> {
        self.ask(Method::Get, address, query, Value::Null)
    }

    /// A whole list, however many pages it has.
    pub(super) fn list(&self, address: &str) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let query = [("limit", "1000".to_owned())].into_iter().chain(after.map(|after| ("after", after))).collect();
            let mut page = self.ask(Method::Get, &[address], query, Value::Null)?;
            if let Some(Value::Array(more)) = page.get_mut("items") {
                items.append(more);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => after = Some(next.to_owned()),
                None => return Ok(items),
            }
        }
    }

    /// The first `limit` of a list that these parameters choose, behind what `after` names; and what to name for more.
    pub(super) fn some(
        &self,
        address: &str,
        parameters: &[(&str, String)],
        mut after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Value>, Option<String>), Failure> {
        let mut items = Vec::new();
        loop {
            let page = (limit - items.len()).min(1000).to_string();
            let query = parameters.iter().cloned().chain([("limit", page)]).chain(after.map(|after| ("after", after)));
            let mut page = self.ask(Method::Get, &[address], query.collect(), Value::Null)?;
            if let Some(Value::Array(more)) = page.get_mut("items") {
                items.append(more);
            }
            after = page.get("next").and_then(Value::as_str).map(ToOwned::to_owned);
            if after.is_none() || items.len() >= limit {
                return Ok((items, after));
            }
        }
    }

    fn ask(&self, method: Method, address: &[&str], query: Form, body: Value) -> Result<Map<String, Value>, Failure> {
        let call = Call { method, path: path_of(address)?, query, body };
        if call.body.to_string().len() > MAX_BODY {
            return Err(Failure::failed(format!("that is more than {} KiB, too much for one call", MAX_BODY / 1024)));
        }
        let answer = match &self.way {
            Way::Here(here) => self.runtime.block_on(here.call(call)),
            Way::There(remote) => self.runtime.block_on(remote.call(&call)),
        }?;
        let mut body = match answer.body {
            Value::Object(body) => body,
            _ => Map::new(),
        };
        if answer.status >= 400 {
            let detail = body.get("detail").and_then(Value::as_str).unwrap_or("the call failed");
            return Err(Failure::failed(detail));
        }
        if let Some(Value::Array(warnings)) = body.shift_remove("warnings") {
            for warning in warnings.iter().filter_map(Value::as_str) {
                output::note(&format!("warning: {warning}"));
            }
        }
        Ok(body)
    }
}

/// The provider whose store is on this machine.
struct Here {
    settings: Settings,
    /// Whether a store is made where there is none.
    may_create: bool,
    /// Whether only the store itself will do, and no server that has it.
    exclusive: bool,
    /// The store, once this process has it.
    opened: OnceCell<InProcess>,
    /// Whether somebody was warned about a socket that isn't to be trusted.
    warned: Cell<bool>,
}

impl Here {
    fn new(settings: Settings, may_create: bool, exclusive: bool) -> Self {
        Self { settings, may_create, exclusive, opened: OnceCell::new(), warned: Cell::new(false) }
    }

    /// Makes a call, over the socket while a server answers there, else in process.
    async fn call(&self, call: Call) -> Result<Answer, Failure> {
        let begun = Instant::now();
        loop {
            if let Some(opened) = self.opened.get() {
                return Ok(opened.call(call).await);
            }
            if !self.exclusive
                && let Some(answer) = self.over_socket(&call).await?
            {
                return Ok(answer);
            }
            self.try_open(begun).await?;
        }
    }

    /// Opens the store.
    async fn open(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        while self.opened.get().is_none() {
            self.try_open(begun).await?;
        }
        Ok(())
    }

    /// Opens the store, or waits a moment when another process has it.
    async fn try_open(&self, begun: Instant) -> Result<(), Failure> {
        match InProcess::open(&self.settings, self.may_create)? {
            Some(opened) => {
                let _ = self.opened.set(opened);
            }
            None if begun.elapsed() < PATIENCE => tokio::time::sleep(STEP).await,
            None => {
                let path = self.settings.store.path.display();
                let line =
                    format!("the store {path} is in use by another process, which takes no commands: stop it first");
                return Err(Failure::failed(line));
            }
        }
        Ok(())
    }

    /// Makes a call over the socket; `None` when that didn't happen.
    async fn over_socket(&self, call: &Call) -> Result<Option<Answer>, Failure> {
        let Ok(path) = socket::path_of(&self.settings.store.path) else { return Ok(None) };
        let Ok(stream) = socket::connect(&path).await else { return Ok(None) };
        let Ok(peer) = stream.peer_cred() else { return Ok(None) };
        if !self.trusts(peer.uid()) {
            if !self.warned.replace(true) {
                let path = path.display();
                output::note(&format!("warning: {path} is another user's ({}) and not used", peer.uid()));
            }
            return Ok(None);
        }
        let callee = Callee { host: "hallpass", prefix: "", authorization: None, ask_first: true };
        match wire::send(stream, call, &callee).await {
            Ok(received) if received.body.is_empty() => {
                Ok(Some(Answer { status: received.status.as_u16(), body: Value::Null }))
            }
            Ok(received) => match serde_json::from_slice(&received.body) {
                Ok(body) => Ok(Some(Answer { status: received.status.as_u16(), body })),
                Err(_) => Err(Failure::failed(format!("what answers at {} is no hallpass", path.display()))),
            },
            // Looking twice does no harm.
            Err(Lost::Unknown(_)) if call.method == Method::Get => Ok(None),
            Err(Lost::Undone(_)) => Ok(None),
            Err(Lost::Unknown(why)) => {
                let line =
                    format!("the server ended before it answered ({why}): the change may or may not have been made");
                Err(Failure::failed(line))
            }
        }
    }

    /// Whether what a user's process says can be believed: they are whoever runs the command, or root, or have the store.
    fn trusts(&self, user: u32) -> bool {
        let has_store = || std::fs::metadata(&self.settings.store.path).is_ok_and(|metadata| metadata.uid() == user);
        socket::own_user().is_ok_and(|own| socket::may_administer(user, own)) || has_store()
    }
}

/// The address that these parts make.
fn path_of(parts: &[&str]) -> Result<String, Failure> {
    let mut path = String::from(admin::ROOT);
    for (index, part) in parts.iter().enumerate() {
        if part.is_empty() {
            return Err(Failure::failed("an empty name is nobody's"));
        }
        if index > 0 {
            path.push('/');
        }
        encode::percent(part, &mut path);
    }
    if path.len() > MAX_PATH {
        return Err(Failure::failed("nothing has a name that long"));
    }
    Ok(path)
}

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the system gives no event queue: {error}")))
}
