//! Pages that follow their files: for whoever is writing templates.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use super::load::{Stamp, stamp};
use super::{Frame, PageError, Pages};
use crate::base::clock::Timestamp;

/// Files aren't looked at more often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// All that pages are made from.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    /// What is on every page.
    pub frame: Frame,
    /// The directory whose files replace ours.
    pub overrides: Option<PathBuf>,
    /// The language for people whose own is not among ours; English without it.
    pub default_language: Option<String>,
}

impl Recipe {
    /// The pages.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn make(&self) -> Result<Pages, PageError> {
        let pages = Pages::new(&self.frame, self.overrides.as_deref())?;
        match &self.default_language {
            Some(tag) => pages.with_default_language(tag),
            None => Ok(pages),
        }
    }
}

/// The pages of a provider. In development they are made again when a file in the directory has changed; otherwise they stay
/// as they are. Cheap to make anew from the settings.
#[derive(Debug)]
pub struct LivePages {
    recipe: Recipe,
    watched: Option<PathBuf>,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    /// The last ones that could be made.
    pages: Arc<Pages>,
    /// Why there are no newer ones, with pages of our own to say so on.
    fault: Option<(Arc<PageError>, Arc<Pages>)>,
    looked: Timestamp,
    stamp: Stamp,
}

impl LivePages {
    /// Makes the pages; `watch` to follow their files from `now` on.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn new(recipe: Recipe, watch: bool, now: Timestamp) -> Result<Self, PageError> {
        let watched = recipe.overrides.clone().filter(|_| watch);
        let stamp = watched.as_deref().map(stamp).unwrap_or_default();
        let pages = Arc::new(recipe.make()?);
        Ok(Self { recipe, watched, state: RwLock::new(State { pages, fault: None, looked: now, stamp }) })
    }

    /// The pages as their files are now.
    ///
    /// # Errors
    /// The first file that can no longer be used.
    pub fn current(&self, now: Timestamp) -> Result<Arc<Pages>, Arc<PageError>> {
        let state = self.look(now);
        match &state.fault {
            Some((fault, _)) => Err(Arc::clone(fault)),
            None => Ok(Arc::clone(&state.pages)),
        }
    }

    /// The pages as their files are now; where one can't be used, pages that need none of them.
    pub fn in_any_case(&self, now: Timestamp) -> Arc<Pages> {
        let state = self.look(now);
        Arc::clone(state.fault.as_ref().map_or(&state.pages, |(_, plain)| plain))
    }

    /// The state, after a look at the files when it is time for one.
    fn look(&self, now: Timestamp) -> RwLockReadGuard<'_, State> {
        let read = || self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some(directory) = &self.watched else { return read() };
        if now < read().looked + LOOK_EVERY {
            return read();
        }
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if now >= state.looked + LOOK_EVERY {
                state.looked = now;
                let stamp = stamp(directory);
                if stamp != state.stamp {
                    state.stamp = stamp;
                    state.renew(&self.recipe);
                }
            }
        }
        read()
    }
}

impl State {
    fn renew(&mut self, recipe: &Recipe) {
        match recipe.make() {
            Ok(pages) => {
                tracing::info!("the templates have changed");
                self.pages = Arc::new(pages);
                self.fault = None;
            }
            Err(fault) => {
                tracing::warn!(%fault, "a template can't be used");
                // Ours can be made whatever is wrong with others'; should they not, the last ones have to do.
                let plain = Recipe { overrides: None, default_language: None, ..recipe.clone() }.make();
                let plain = plain.map_or_else(|_| Arc::clone(&self.pages), Arc::new);
                self.fault = Some((Arc::new(fault), plain));
            }
        }
    }
}
