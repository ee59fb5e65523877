//! What a key is, and the macro that turns the table of keys into types, parser and documentation.

/// One setting, as `config default` describes it.
#[derive(Debug)]
pub struct Key {
    pub(super) name: &'static str,
    pub(super) doc: &'static [&'static str],
    pub(super) default: Option<&'static str>,
    pub(super) example: Option<&'static str>,
    pub(super) restart: bool,
    pub(super) named: bool,
    pub(super) right: fn() -> String,
    pub(super) members: fn() -> &'static [Key],
}

impl Key {
    pub(super) const fn new(
        name: &'static str,
        doc: &'static [&'static str],
        right: fn() -> String,
        members: fn() -> &'static [Self],
    ) -> Self {
        Self { name, doc, default: None, example: None, restart: false, named: false, right, members }
    }

    pub(super) const fn default(mut self, toml: &'static str) -> Self {
        self.default = Some(toml);
        self
    }

    pub(super) const fn like(mut self, toml: &'static str) -> Self {
        self.example = Some(toml);
        self
    }

    pub(super) const fn restart(mut self) -> Self {
        self.restart = true;
        self
    }

    /// A table at the top whose names are people's own.
    pub(super) const fn named(mut self) -> Self {
        self.named = true;
        self
    }

    /// Its full name, such as `http.listen`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether a change takes effect only after a restart.
    pub const fn needs_restart(&self) -> bool {
        self.restart
    }

    /// The environment variable that sets it, such as `HALLPASS_HTTP__LISTEN`; of a table with names of people's own one of
    /// many, such as `HALLPASS_CLAIMS__NAME`.
    pub fn environment_name(&self) -> String {
        let entry = if self.named { "__NAME" } else { "" };
        format!("HALLPASS_{}{entry}", self.name.replace('.', "__").to_uppercase())
    }

    /// The section it belongs to, empty at the top, and its name in there.
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }
}

/// Settings that belong together.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) doc: &'static [&'static str],
}

/// Turns the table of keys into a struct per section, [`Settings`](super::Settings), the list of [`Key`]s and the code
/// that reads, shows and compares them, so that none of these can disagree.
///
/// A key is written `name: Type = default, Kind, flags;`, its default as TOML. A key without one is
/// `name: Option<Type>, Optional(Kind), like(example), flags;`. Other flags are `restart`, and `named` for a
/// table at the top whose names are people's own.
macro_rules! keys {
    (
        top {
            $( $(#[doc = $top_doc:literal])+
               $top:ident: $top_type:ty $(= $top_default:tt)?,
               $top_kind:expr $(, $top_flag:ident $(($top_argument:tt))?)*; )*
        }
        $( $(#[doc = $section_doc:literal])+
           $section:ident: $name:ident {
               $( $(#[doc = $doc:literal])+
                  $field:ident: $type:ty $(= $default:tt)?, $kind:expr $(, $flag:ident $(($argument:tt))?)*; )+
           } )+
    ) => {
        $( $(#[doc = $section_doc])+
           #[derive(Clone, Debug, PartialEq)]
           pub struct $name { $( $(#[doc = $doc])+ pub $field: $type, )+ } )+

        /// Everything that can be set, read and checked once; see [`Settings::load`].
        #[derive(Clone, Debug)]
        pub struct Settings {
            $( $(#[doc = $top_doc])+ pub $top: $top_type, )*
            $( $(#[doc = $section_doc])+ pub $section: $name, )+
            /// Where each key that is not at its default was given.
            pub(super) origins: Origins,
            /// The file, where a secret stands in it as it is.
            pub(super) holds_secrets: Option<PathBuf>,
        }

        /// Every key, in the order of the documentation.
        pub static KEYS: &[Key] = &[
            $( Key::new(stringify!($top), &[$($top_doc),+], || $top_kind.right(), || $top_kind.members())
                $(.default(stringify!($top_default)))? $(.$top_flag($(stringify!($top_argument))?))*, )*
            $($( Key::new(concat!(stringify!($section), ".", stringify!($field)), &[$($doc),+], || $kind.right(),
                || $kind.members())
                $(.default(stringify!($default)))? $(.$flag($(stringify!($argument))?))*, )+)+
        ];

        /// Every section, in the order of the documentation.
        pub(super) static SECTIONS: &[Section] =
            &[ $( Section { name: stringify!($section), doc: &[$($section_doc),+] }, )+ ];

        impl Settings {
            /// Reads every key from what was given.
            pub(super) fn read(mut given: Given<'_>) -> Result<Self, SettingsError> {
                Ok(Self {
                    $( $top: given.take(stringify!($top), &$top_kind)?, )*
                    $( $section: $name {
                        $( $field: given.take(concat!(stringify!($section), ".", stringify!($field)), &$kind)?, )+
                    }, )+
                    holds_secrets: given.holds_secrets(),
                    origins: given.into_origins(),
                })
            }

            /// Every value as TOML, in the order of [`KEYS`]; `None` when it is not set.
            pub(super) fn values(&self) -> Vec<Option<String>> {
                vec![
                    $( $top_kind.render(&self.$top), )*
                    $($( $kind.render(&self.$section.$field), )+)+
                ]
            }

            /// Takes the values of `running` for the keys that need a restart.
            pub(super) fn keep(&mut self, running: &Self) {
                let mut keys = KEYS.iter();
                let mut stays = || keys.next().is_some_and(Key::needs_restart);
                $( if stays() { self.$top.clone_from(&running.$top); } )*
                $($( if stays() { self.$section.$field.clone_from(&running.$section.$field); } )+)+
                for key in KEYS.iter().filter(|key| key.needs_restart()) {
                    match running.origins.get(key.name()) {
                        Some(origin) => self.origins.insert(key.name(), origin.clone()),
                        None => self.origins.remove(key.name()),
                    };
                }
            }

            /// Whether each value is the same in `other`, in the order of [`KEYS`].
            pub(super) fn same(&self, other: &Self) -> Vec<bool> {
                vec![
                    $( self.$top == other.$top, )*
                    $($( self.$section.$field == other.$section.$field, )+)+
                ]
            }
        }
    };
}
pub(super) use keys;
