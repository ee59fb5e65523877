//! What a person sees: one struct per page, its template, the languages, the style sheet and the few scripts.
//!
//! Templates, catalogues and assets are in the program (`templates/`), parsed once when it starts, and can be replaced one
//! by one from a directory. A replacement may build on what it replaces: `{% extends "default/login.html" %}`.
//!
//! The pages' element ids and field names are a contract with people who automate them; the tests hold them.

mod asset;
mod authorize;
mod catalogue;
mod check_session;
mod denied;
mod end_session;
mod error;
mod escape;
mod form_post;
mod home;
mod load;
mod locale;
mod login;
mod part;
mod playground;
mod policy;
mod print;
mod select_account;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde::Serialize;

pub use asset::Asset;
pub use authorize::{AuthorizePage, Scope};
pub use check_session::CheckSessionIframePage;
pub use denied::DeniedPage;
pub use end_session::{EndSessionCompletedPage, EndSessionFailedPage, EndSessionPromptPage};
pub use error::{ErrorKind, ErrorPage};
pub use form_post::{Field, FormPostPage};
pub use home::HomePage;
pub use load::BUILT_IN;
pub use locale::Locale;
pub use login::{LoginPage, LoginProblem, Persona};
pub use part::{Account, Client};
pub use playground::{
    Check, Choice, Exchange, IdToken, Input, Message, Outcome, PlaygroundFragmentPage, PlaygroundPage,
    PlaygroundResultPage, RunError, Select, Snippet,
};
pub use policy::{Submits, content_security_policy};
pub use select_account::SelectAccountPage;

use catalogue::CatalogueError;
use locale::Languages;
use print::{Known, Print, Prints, is_plain};

/// What is the same on every page of a provider, under `frame` in templates.
#[derive(Clone, Debug, Serialize)]
pub struct Frame {
    /// The issuer's path, before every address of ours: empty, or like `/idp`.
    pub base: String,
    /// What the provider calls itself.
    pub product: String,
    /// A line above every page: "For development only".
    pub banner: Option<String>,
}

/// A page: its fields are the names that its template sees.
pub trait Page: Serialize + Clone {
    /// The template's file name.
    const TEMPLATE: &'static str;
    /// Whether it has scripts.
    const SCRIPTS: bool = false;
    /// Where its forms may lead.
    const SUBMITS: Submits = Submits::Nowhere;

    /// Address of an image from elsewhere.
    fn image(&self) -> Option<&str> {
        None
    }

    /// The sealed request in its forms, the only thing in which it differs from one time to the next; for pages that many
    /// people see alike.
    fn sealed(&mut self) -> Option<&mut String> {
        None
    }

    /// The page in the shapes that it comes in, each with a name of its own. Templates are checked against them.
    fn samples() -> Vec<(&'static str, Self)>;

    /// The value of its `Content-Security-Policy`.
    fn policy(&self) -> String {
        content_security_policy(Self::SCRIPTS, Self::SUBMITS, self.image())
    }
}

/// Every page, ready to be rendered. Costs some milliseconds to make; nothing is read or parsed afterwards.
pub struct Pages {
    environment: Environment<'static>,
    languages: Languages,
    assets: BTreeMap<String, Asset>,
    prints: Prints,
    /// How files are called in messages, where they are not ours.
    origins: BTreeMap<String, String>,
}

impl Pages {
    /// Reads what is in the program and what replaces it: `login.html`, `part/…`, `locale/TAG.toml` (some sentences, or a
    /// language of its own), `asset/…` (also further ones). With replacements, every sample of every page is rendered,
    /// so that a broken one is refused here and not met by a person.
    ///
    /// # Errors
    /// The first file that cannot be used, with its line.
    pub fn new(frame: &Frame, overrides: Option<&Path>) -> Result<Self, PageError> {
        let files = load::files(overrides)?;
        let base = frame.base.trim_end_matches('/').to_owned();

        let mut assets = BTreeMap::new();
        let mut languages =
            Languages::new().map_err(|error| PageError::catalogue("locale/en.toml (built in)".to_owned(), error))?;
        let mut templates = Vec::new();
        for (name, file) in &files {
            if let Some(asset) = name.strip_prefix("asset/") {
                let asset = Asset::new(asset, file.bytes.clone())
                    .ok_or_else(|| PageError::file(file.describe(name), "not a kind of file that pages can use"))?;
                assets.insert(asset.name.clone(), asset);
                continue;
            }
            let text =
                std::str::from_utf8(&file.bytes).map_err(|_| PageError::file(file.describe(name), "not in UTF-8"))?;
            if let Some(tag) = name.strip_prefix("locale/").and_then(|name| name.strip_suffix(".toml")) {
                languages.add(tag, text, file).map_err(|error| PageError::catalogue(file.describe(name), error))?;
            } else {
                templates.push((name, text, file));
            }
        }

        let mut pages = Self {
            environment: Environment::new(),
            languages,
            assets,
            prints: Prints::default(),
            origins: BTreeMap::new(),
        };
        pages.prepare(&Frame { base, ..frame.clone() });
        for (name, text, file) in templates {
            if file.path.is_some() {
                pages.origins.insert(name.clone(), file.describe(name));
            }
            if let Some(replaced) = file.replaced {
                pages.add(format!("default/{name}"), replaced)?;
            }
            pages.add(name.clone(), text)?;
        }
        if overrides.is_some() {
            pages.samples(pages.languages.fallback())?;
        }
        Ok(pages)
    }

    /// What every template can use, and how strict it is with them.
    fn prepare(&mut self, frame: &Frame) {
        let environment = &mut self.environment;
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_formatter(escape::format);
        environment.add_global("frame", Value::from(Serde(frame)));
        let addresses: BTreeMap<String, String> = self
            .assets
            .values()
            .map(|asset| (asset.name.clone(), format!("{}/asset/{}?v={}", frame.base, asset.name, asset.version)))
            .collect();
        environment.add_function("asset", move |name: &str| {
            addresses.get(name).cloned().ok_or_else(|| {
                minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, format!("no asset `{name}`"))
            })
        });
    }

    fn add(&mut self, name: String, text: &str) -> Result<(), PageError> {
        self.environment.add_template_owned(name, text.to_owned()).map_err(|error| self.explain(&error))
    }

    /// The page as HTML.
    ///
    /// # Errors
    /// A template that cannot show what the page holds. Our own can; a replaced one was tried with the samples only.
    pub fn render<P: Page>(&self, page: &P, locale: &Locale) -> Result<String, PageError> {
        let mut blank = page.clone();
        let Some(sealed) = blank.sealed().map(std::mem::take).filter(|sealed| is_plain(sealed)) else {
            return self.render_anew(page, locale);
        };
        let Ok(key) = serde_json::to_vec(&(P::TEMPLATE, locale.tag(), &blank)) else {
            return self.render_anew(page, locale);
        };
        match self.prints.know(&key) {
            Known::Print(print) => return Ok(print.with(&sealed)),
            Known::Seen => {}
            Known::Nothing | Known::Never => return self.render_anew(page, locale),
        }
        let print = Print::make(|stand_in| {
            if let Some(sealed) = blank.sealed() {
                stand_in.clone_into(sealed);
            }
            self.render_anew(&blank, locale)
        })?;
        let html = print.as_ref().map(|print| print.with(&sealed));
        self.prints.keep(key, print);
        html.map_or_else(|| self.render_anew(page, locale), Ok)
    }

    fn render_anew<P: Page>(&self, page: &P, locale: &Locale) -> Result<String, PageError> {
        let context = context! { ..locale.0.context.clone(), ..Value::from(Serde(page)) };
        self.environment
            .get_template(P::TEMPLATE)
            .and_then(|template| template.render(context))
            .map_err(|error| self.explain(&error))
    }

    /// The language for a person: `ui_locales` of the request, `Accept-Language` of the browser, then English.
    pub fn locale(&self, ui_locales: Option<&str>, accept_language: Option<&str>) -> Locale {
        self.languages.choose(ui_locales, accept_language).clone()
    }

    /// The same pages, in this language for people whose own is not among ours.
    ///
    /// # Errors
    /// [`PageError::Language`] when they don't come in it.
    pub fn with_default_language(mut self, tag: &str) -> Result<Self, PageError> {
        if self.languages.fall_back_to(tag) {
            return Ok(self);
        }
        Err(PageError::Language { tag: tag.to_owned(), spoken: self.languages().collect::<Vec<_>>().join(", ") })
    }

    /// The languages that pages come in, as `ui_locales_supported` wants them (OpenID Connect Discovery section 3).
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.spoken().iter().map(Locale::tag)
    }

    /// The file behind `{base}/asset/{name}`.
    pub fn asset(&self, name: &str) -> Option<&Asset> {
        self.assets.get(name)
    }

    /// Every sample of every page as (`page-sample`, HTML).
    ///
    /// # Errors
    /// The first template that cannot show one.
    pub fn samples(&self, locale: &Locale) -> Result<Vec<(String, String)>, PageError> {
        let mut all = Vec::new();
        self.sample::<LoginPage>(locale, &mut all)?;
        self.sample::<AuthorizePage>(locale, &mut all)?;
        self.sample::<SelectAccountPage>(locale, &mut all)?;
        self.sample::<EndSessionPromptPage>(locale, &mut all)?;
        self.sample::<EndSessionCompletedPage>(locale, &mut all)?;
        self.sample::<EndSessionFailedPage>(locale, &mut all)?;
        self.sample::<FormPostPage>(locale, &mut all)?;
        self.sample::<ErrorPage>(locale, &mut all)?;
        self.sample::<DeniedPage>(locale, &mut all)?;
        self.sample::<HomePage>(locale, &mut all)?;
        self.sample::<CheckSessionIframePage>(locale, &mut all)?;
        self.sample::<PlaygroundPage>(locale, &mut all)?;
        self.sample::<PlaygroundFragmentPage>(locale, &mut all)?;
        self.sample::<PlaygroundResultPage>(locale, &mut all)?;
        Ok(all)
    }

    fn sample<P: Page>(&self, locale: &Locale, into: &mut Vec<(String, String)>) -> Result<(), PageError> {
        let page = P::TEMPLATE.trim_end_matches(".html");
        for (name, sample) in P::samples() {
            into.push((format!("{page}-{name}"), self.render(&sample, locale)?));
        }
        Ok(())
    }

    /// The engine's error with the file's real name.
    fn explain(&self, error: &minijinja::Error) -> PageError {
        // The innermost cause knows the line; those around it are the includes on the way there.
        let mut cause = error;
        while let Some(inner) = std::error::Error::source(cause).and_then(|inner| inner.downcast_ref()) {
            cause = inner;
        }
        let name = cause.name().unwrap_or_default();
        let file = self.origins.get(name).cloned().unwrap_or_else(|| format!("{name} (built in)"));
        let reason = match cause.detail() {
            Some(detail) => format!("{}: {detail}", cause.kind()),
            None => cause.kind().to_string(),
        };
        PageError::File { file, line: cause.line(), reason }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("languages", &self.languages().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// Why pages could not be loaded or shown.
#[derive(Debug)]
pub enum PageError {
    /// A file or directory could not be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file has the name of no page.
    Unknown {
        /// Which.
        path: PathBuf,
    },
    /// The pages do not come in a language that is to be the default.
    Language {
        /// Which.
        tag: String,
        /// Those that they come in.
        spoken: String,
    },
    /// A template, catalogue or asset does not work.
    File {
        /// Its path, or its name in the program.
        file: String,
        /// From 1.
        line: Option<usize>,
        /// What is wrong.
        reason: String,
    },
}

impl PageError {
    fn file(file: String, reason: &str) -> Self {
        Self::File { file, line: None, reason: reason.to_owned() }
    }

    fn catalogue(file: String, error: CatalogueError) -> Self {
        Self::File { file, line: error.line, reason: error.reason }
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Unknown { path } => {
                let pages: Vec<&str> =
                    BUILT_IN.iter().map(|&(name, _)| name).filter(|name| !name.contains('/')).collect();
                write!(f, "{}: no page is called so; there are {}", path.display(), pages.join(", "))
            }
            Self::Language { tag, spoken } => {
                write!(f, "i18n.default_locale: the pages don't come in \"{tag}\"; they come in {spoken}")
            }
            Self::File { file, line: Some(line), reason } => write!(f, "{file}:{line}: {reason}"),
            Self::File { file, line: None, reason } => write!(f, "{file}: {reason}"),
        }
    }
}

impl std::error::Error for PageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { error, .. } => Some(error),
            Self::Unknown { .. } | Self::Language { .. } | Self::File { .. } => None,
        }
    }
}
