//! What a person sees: one struct per page, its template, the languages, the style sheet and the few scripts.
//!
//! Templates, catalogues and assets are in the program (`templates/`), parsed once when it starts, and can be replaced one
//! by one from a directory. A replacement may build on what it replaces: `{% extends "default/login.html" %}`.
//!
//! The pages' element ids and field names are a contract with people who automate them; the tests hold them.

mod accent;
mod asset;
mod authorize;
mod catalogue;
mod check;
mod check_session;
mod denied;
mod end_session;
mod error;
mod escape;
mod export;
mod fault;
mod form_post;
mod home;
mod live;
mod load;
mod locale;
mod login;
mod part;
mod playground;
mod plural;
mod policy;
mod print;
mod select_account;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde::Serialize;

use crate::base::color::Color;

pub use accent::{PATH as ACCENT_PATH, accent_sheet};
pub use asset::Asset;
pub use authorize::{AuthorizeContext, AuthorizePage, Scope, ShownScope};
pub use check::check;
pub use check_session::CheckSessionIframePage;
pub use denied::DeniedPage;
pub use end_session::{EndSessionCompletedPage, EndSessionFailedPage, EndSessionPromptPage};
pub use error::{ErrorKind, ErrorPage};
pub use export::{contexts, export};
pub use fault::PageError;
pub use form_post::{Field, FormPostPage};
pub use home::HomePage;
pub use live::{LivePages, Recipe};
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
pub use shape::{Described, Kind, Member};

use locale::Languages;
use print::{Known, Print, Prints, is_plain};

/// What is the same on every page of a provider.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The issuer's path, before every address of ours: empty, or like `/idp`.
    pub base: String,
    /// What the provider calls itself.
    pub product: String,
    /// A line above every page: "For development only".
    pub banner: Option<String>,
    /// The colour of pages whose application has none of its own.
    pub accent: Option<Color>,
    /// The file of an image in place of our mark.
    pub logo: Option<PathBuf>,
}

shape::described! {
    /// The same as templates see it, under `frame`.
    #[derive(Clone, Debug, Serialize)]
    pub struct FrameContext {
        /// The issuer's path, before every address of ours: empty, or like `/idp`.
        pub base: String,
        /// What the provider calls itself (`pages.title`).
        pub product: String,
        /// A line above every page: "For development only".
        pub banner: Option<String>,
        /// The address of the product's mark: of `pages.logo`, or of `asset/mark.svg`.
        pub mark: String,
    }

    /// A language that pages come in, under `languages` in templates.
    #[derive(Clone, Debug, Serialize)]
    pub struct LanguageContext {
        /// Its tag (BCP 47).
        pub tag: String,
        /// What it calls itself.
        pub name: String,
    }
}

/// A page: its fields are the names that its template sees.
pub trait Page: Serialize + Clone + Described {
    /// The template's file name.
    const TEMPLATE: &'static str;
    /// Whether it has scripts.
    const SCRIPTS: bool = false;
    /// Where its forms may lead.
    const SUBMITS: Submits = Submits::Nowhere;
    /// What the language chooser calls it, where it can be shown again in another language.
    const HERE: Option<&'static str> = None;
    /// Where its form leads, below the issuer.
    const ACTION: Option<&'static str> = None;
    /// What its form needs beside the hidden fields: of each of these lists one name at least.
    const CONTROLS: &'static [&'static [&'static str]] = &[];

    /// Address of an image from elsewhere.
    fn image(&self) -> Option<&str> {
        None
    }

    /// The colour of the application that it is shown for.
    fn accent(&self) -> Option<Color> {
        None
    }

    /// The address of its form.
    fn action(&self, base: &str) -> Option<String> {
        Self::ACTION.map(|action| format!("{base}{action}"))
    }

    /// The names and values that its form has to send back as they are: `hidden_inputs` in its template.
    fn hidden(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    /// What its template sees.
    fn context(&self, _locale: &Locale) -> Value {
        Value::from(Serde(self.clone()))
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

/// Something to do with every page that there is.
trait Visitor {
    fn visit<P: Page>(&mut self);
}

fn visit_every_page(visitor: &mut impl Visitor) {
    visitor.visit::<LoginPage>();
    visitor.visit::<AuthorizePage>();
    visitor.visit::<SelectAccountPage>();
    visitor.visit::<EndSessionPromptPage>();
    visitor.visit::<EndSessionCompletedPage>();
    visitor.visit::<EndSessionFailedPage>();
    visitor.visit::<FormPostPage>();
    visitor.visit::<ErrorPage>();
    visitor.visit::<DeniedPage>();
    visitor.visit::<HomePage>();
    visitor.visit::<CheckSessionIframePage>();
    visitor.visit::<PlaygroundPage>();
    visitor.visit::<PlaygroundFragmentPage>();
    visitor.visit::<PlaygroundResultPage>();
}

/// A sample of a page, rendered.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Of the page and of the sample: `login-hint`.
    pub name: String,
    /// The page.
    pub html: String,
    /// Its `Content-Security-Policy`.
    pub policy: String,
}

/// Every page, ready to be rendered. Costs some milliseconds to make; nothing is read or parsed afterwards.
pub struct Pages {
    environment: Environment<'static>,
    languages: Languages,
    assets: BTreeMap<String, Asset>,
    prints: Prints,
    base: String,
    accent: Option<Color>,
    /// The files that are not ours, as they are called in messages, with what is in them.
    origins: BTreeMap<String, (String, String)>,
}

impl Pages {
    /// Reads what is in the program and what replaces it: `login.html`, `part/…`, `locale/TAG.toml` (some sentences, or a
    /// language of its own), `asset/…` (also further ones). With replacements, every sample of every page is rendered,
    /// so that a broken one is refused here and not met by a person.
    ///
    /// # Errors
    /// The first file that cannot be used, with its line.
    pub fn new(frame: &Frame, overrides: Option<&Path>) -> Result<Self, PageError> {
        let (pages, faults) = Self::load(frame, overrides)?;
        if let Some(fault) = faults.into_iter().next() {
            return Err(fault);
        }
        if overrides.is_some() {
            pages.samples(pages.languages.fallback())?;
        }
        Ok(pages)
    }

    /// The same without those files that cannot be used, and why they can't.
    ///
    /// # Errors
    /// A directory that cannot be read.
    fn load(frame: &Frame, overrides: Option<&Path>) -> Result<(Self, Vec<PageError>), PageError> {
        let (files, mut faults) = load::files(overrides)?;
        let base = frame.base.trim_end_matches('/').to_owned();

        let mut assets = BTreeMap::new();
        let mut languages = Languages::new()
            .map_err(|errors| PageError::catalogues("locale/en.toml (built in)", errors).swap_remove(0))?;
        let mut templates = Vec::new();
        for (name, file) in &files {
            let described = file.describe(name);
            if let Some(asset) = name.strip_prefix("asset/") {
                match Asset::new(asset, file.bytes.clone()) {
                    Some(asset) => _ = assets.insert(asset.name.clone(), asset),
                    None => faults.push(PageError::file(described, "not a kind of file that pages can use")),
                }
                continue;
            }
            let Ok(text) = std::str::from_utf8(&file.bytes) else {
                faults.push(PageError::file(described, "not in UTF-8"));
                continue;
            };
            if let Some(tag) = name.strip_prefix("locale/").and_then(|name| name.strip_suffix(".toml")) {
                if let Err(errors) = languages.add(tag, text, file.replaced) {
                    faults.extend(PageError::catalogues(&described, errors));
                }
            } else {
                templates.push((name, text, file));
            }
        }
        let mark = match &frame.logo {
            Some(path) => load::logo(path).map(|asset| {
                let name = asset.name.clone();
                assets.insert(name.clone(), asset);
                name
            })?,
            None => "mark.svg".to_owned(),
        };

        let mut pages = Self {
            environment: Environment::new(),
            languages,
            assets,
            prints: Prints::default(),
            base,
            accent: frame.accent,
            origins: BTreeMap::new(),
        };
        pages.prepare(frame, &mark);
        for (name, text, file) in templates {
            if file.path.is_some() {
                pages.origins.insert(name.clone(), (file.describe(name), text.to_owned()));
            }
            if let Some(replaced) = file.replaced {
                pages.add(format!("default/{name}"), replaced)?;
            }
            if let Err(fault) = pages.add(name.clone(), text) {
                faults.push(fault);
                if let Some(replaced) = file.replaced {
                    pages.add(name.clone(), replaced)?;
                }
            }
        }
        Ok((pages, faults))
    }

    /// What every template can use, and how strict it is with them.
    fn prepare(&mut self, frame: &Frame, mark: &str) {
        let addresses: BTreeMap<String, String> = self
            .assets
            .values()
            .map(|asset| (asset.name.clone(), format!("{}/asset/{}?v={}", self.base, asset.name, asset.version)))
            .collect();
        let language =
            |locale: &Locale| LanguageContext { tag: locale.tag().to_owned(), name: locale.name().to_owned() };
        let languages: Vec<LanguageContext> = self.languages.spoken().iter().map(language).collect();
        let frame = FrameContext {
            base: self.base.clone(),
            product: frame.product.clone(),
            banner: frame.banner.clone(),
            mark: addresses.get(mark).cloned().unwrap_or_default(),
        };
        let environment = &mut self.environment;
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_formatter(escape::format);
        environment.add_global("frame", Value::from(Serde(frame)));
        environment.add_global("languages", Value::from(Serde(languages)));
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
        let accent = page.accent().or(self.accent).map(|accent| accent::address(&self.base, accent));
        let common = context! { here => P::HERE, hidden_inputs => hidden_inputs(page), accent => accent };
        let context = context! { ..common, ..locale.0.context.clone(), ..page.context(locale) };
        self.environment
            .get_template(P::TEMPLATE)
            .and_then(|template| template.render(context))
            .map_err(|error| self.explain(&error))
    }

    /// The language for a person: `ui_locales` of the request, what they have `chosen` on a page of ours, `Accept-Language` of the
    /// browser, then the deployment's own.
    pub fn locale(&self, ui_locales: Option<&str>, chosen: Option<&str>, accept_language: Option<&str>) -> Locale {
        self.languages.choose(ui_locales, chosen, accept_language).clone()
    }

    /// The language with this tag, if pages come in it.
    pub fn language(&self, tag: &str) -> Option<&Locale> {
        self.languages.spoken().iter().find(|locale| locale.tag() == tag)
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

    /// The files behind `{base}/asset/`.
    pub fn assets(&self) -> impl Iterator<Item = &Asset> {
        self.assets.values()
    }

    /// Every sample of every page.
    ///
    /// # Errors
    /// The first template that cannot show one.
    pub fn samples(&self, locale: &Locale) -> Result<Vec<Rendered>, PageError> {
        struct All<'a> {
            pages: &'a Pages,
            locale: &'a Locale,
            rendered: Result<Vec<Rendered>, PageError>,
        }
        impl Visitor for All<'_> {
            fn visit<P: Page>(&mut self) {
                let page = P::TEMPLATE.trim_end_matches(".html");
                for (name, sample) in P::samples() {
                    let Ok(rendered) = &mut self.rendered else { return };
                    match self.pages.render_anew(&sample, self.locale) {
                        Ok(html) => {
                            rendered.push(Rendered { name: format!("{page}-{name}"), html, policy: sample.policy() });
                        }
                        Err(error) => self.rendered = Err(error),
                    }
                }
            }
        }
        let mut all = All { pages: self, locale, rendered: Ok(Vec::new()) };
        visit_every_page(&mut all);
        all.rendered
    }

    /// The engine's error with the file's real name.
    fn explain(&self, error: &minijinja::Error) -> PageError {
        // The innermost cause knows the line; those around it are the includes on the way there.
        let mut cause = error;
        while let Some(inner) = std::error::Error::source(cause).and_then(|inner| inner.downcast_ref()) {
            cause = inner;
        }
        let name = cause.name().unwrap_or_default();
        let file = self.origins.get(name).map_or_else(|| format!("{name} (built in)"), |(file, _)| file.clone());
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

/// The fields of [`Page::hidden`] as HTML, for forms.
fn hidden_inputs<P: Page>(page: &P) -> Value {
    let mut html = String::new();
    for (name, value) in page.hidden() {
        html.push_str("<input type=\"hidden\" name=\"");
        escape::escape(name, &mut html);
        html.push_str("\" value=\"");
        escape::escape(value, &mut html);
        html.push_str("\">");
    }
    Value::from_safe_string(html)
}
