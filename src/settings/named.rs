//! Tables whose names are people's own: `[claims]`, `[scopes.NAME]`.

use std::collections::BTreeMap;

use super::SettingsError;
use super::kind::{Kind, Refusal, Surroundings, complaint};
use super::schema::Key;
use super::source::Origin;
use super::written::{Member, Written, quote_name};
use crate::base::nearest::edit_distance;

/// Names, each with a value of one kind.
pub(super) struct Named<K> {
    /// Why something can't be such a name.
    pub(super) name: fn(&str) -> Result<(), String>,
    /// What stands behind each.
    pub(super) each: K,
}

impl<K: Kind> Kind for Named<K> {
    type Value = BTreeMap<String, K::Value>;

    fn right(&self) -> String {
        format!("a table of names, each with {}", self.each.right())
    }

    fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<Self::Value, Refusal> {
        let entries = written.table().ok_or(Refusal::Wrong)?;
        let read = |(name, member): (String, Member)| {
            (self.name)(&name).map_err(|why| Refusal::inside(&name, &member.origin, Fault::Name(why)))?;
            let value = parse_member(&self.each, &name, &member, around)?;
            Ok((name, value))
        };
        entries.into_iter().map(read).collect()
    }

    fn render(&self, value: &Self::Value) -> Option<String> {
        let entry =
            |(name, value): (&String, &K::Value)| Some(format!("{} = {}", quote_name(name), self.each.render(value)?));
        let entries: Vec<String> = value.iter().filter_map(entry).collect();
        (!entries.is_empty()).then(|| format!("{{ {} }}", entries.join(", ")))
    }

    fn members(&self) -> &'static [Key] {
        self.each.members()
    }

    fn shows_secret(&self, written: &Written) -> bool {
        written.table().is_some_and(|entries| entries.values().any(|entry| self.each.shows_secret(&entry.value)))
    }
}

/// Something wrong inside of a table.
#[derive(Debug, PartialEq)]
pub(super) struct Inside {
    path: Vec<String>,
    origin: Origin,
    fault: Fault,
}

/// What is wrong there.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// A value; this goes behind its name.
    Value(String),
    /// A name, for this reason.
    Name(String),
    /// A key that isn't known; this one is.
    Unknown(&'static str),
}

impl Inside {
    /// With the name of the table it is in.
    fn below(mut self, name: &str, origin: &Origin) -> Self {
        self.path.insert(0, name.to_owned());
        if self.origin == Origin::Default {
            self.origin = origin.clone();
        }
        self
    }

    /// The whole message. `key` is the table's key, given at `origin`.
    pub(super) fn message(self, key: &str, origin: &Origin) -> SettingsError {
        let origin = if self.origin == Origin::Default { origin } else { &self.origin };
        let path =
            |path: &[String]| path.iter().fold(key.to_owned(), |text, name| format!("{text}.{}", quote_name(name)));
        let name = path(&self.path);
        SettingsError::new(match &self.fault {
            Fault::Value(complaint) => format!("{origin}: {name}{complaint}"),
            Fault::Name(why) => format!("{origin}: {name}: {why}"),
            Fault::Unknown(nearest) => {
                let table = path(self.path.split_last().map_or(&[], |(_, table)| table));
                format!("{origin}: unknown setting {name}; the nearest known one is {table}.{nearest}")
            }
        })
    }
}

impl Refusal {
    /// Of what stands behind a name of a table.
    fn inside(name: &str, origin: &Origin, fault: Fault) -> Self {
        Self::Inside(Inside { path: vec![name.to_owned()], origin: origin.clone(), fault })
    }
}

fn parse_member<K: Kind>(
    kind: &K,
    name: &str,
    member: &Member,
    around: &Surroundings<'_>,
) -> Result<K::Value, Refusal> {
    kind.parse(&member.value, &around.at(&member.origin)).map_err(|refusal| match refusal {
        Refusal::Inside(inside) => Refusal::Inside(inside.below(name, &member.origin)),
        refusal => Refusal::inside(name, &member.origin, Fault::Value(complaint(kind, &member.value, refusal))),
    })
}

/// The members of a table with keys of its own, on their way into a record.
pub(super) struct Members<'a> {
    entries: BTreeMap<String, Member>,
    around: &'a Surroundings<'a>,
}

impl<'a> Members<'a> {
    /// Those of a table that has no others than `keys`.
    pub(super) fn of(written: &Written, keys: &[Key], around: &'a Surroundings<'a>) -> Result<Self, Refusal> {
        let entries = written.table().ok_or(Refusal::Wrong)?;
        match entries.iter().find(|(name, _)| keys.iter().all(|key| key.name != name.as_str())) {
            None => Ok(Self { entries, around }),
            Some((name, member)) => {
                let nearest = keys.iter().map(|key| key.name).min_by_key(|key| edit_distance(key, name));
                Err(Refusal::inside(name, &member.origin, Fault::Unknown(nearest.unwrap_or_default())))
            }
        }
    }

    /// One of them as its kind, or the key's default.
    pub(super) fn take<K: Kind>(&mut self, key: &Key, kind: &K) -> Result<K::Value, Refusal> {
        let member = self.entries.remove(key.name).unwrap_or_else(|| Member {
            origin: Origin::Default,
            value: key.default.and_then(Written::parse).unwrap_or(Written::Absent),
        });
        parse_member(kind, key.name, &member, self.around)
    }
}

/// Turns a table of keys into a struct and the kind that reads and shows it, for [`Named`] ones. Keys are written as in
/// [`keys!`](super::schema::keys).
macro_rules! record {
    (
        $(#[doc = $record_doc:literal])+
        $record:ident: $kind_name:ident {
            $( $(#[doc = $doc:literal])+
               $field:ident: $type:ty $(= $default:tt)?, $kind:expr $(, $flag:ident $(($argument:tt))?)*; )+
        }
    ) => {
        $(#[doc = $record_doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $record { $( $(#[doc = $doc])+ pub $field: $type, )+ }

        #[doc = concat!("Reads [`", stringify!($record), "`].")]
        pub(super) struct $kind_name;

        impl $kind_name {
            const KEYS: &[Key] = &[
                $( Key::new(stringify!($field), &[$($doc),+], || $kind.right(), || $kind.members())
                    $(.default(stringify!($default)))? $(.$flag($(stringify!($argument))?))*, )+
            ];
        }

        impl Kind for $kind_name {
            type Value = $record;

            fn right(&self) -> String {
                let names: Vec<&str> = Self::KEYS.iter().map(Key::name).collect();
                format!("a table of {}", names.join(", "))
            }

            fn parse(&self, written: &Written, around: &Surroundings<'_>) -> Result<$record, Refusal> {
                let mut members = Members::of(written, Self::KEYS, around)?;
                let mut keys = Self::KEYS.iter();
                Ok($record {
                    $( $field: members.take(keys.next().ok_or(Refusal::Wrong)?, &$kind)?, )+
                })
            }

            fn render(&self, value: &$record) -> Option<String> {
                let entries: Vec<String> = [$( (stringify!($field), $kind.render(&value.$field)) ),+]
                    .into_iter()
                    .filter_map(|(name, value)| Some(format!("{name} = {}", value?)))
                    .collect();
                Some(if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) })
            }

            fn members(&self) -> &'static [Key] {
                Self::KEYS
            }

            fn shows_secret(&self, written: &Written) -> bool {
                let shows = |name: &str, entry: &Written| match name {
                    $( stringify!($field) => $kind.shows_secret(entry), )+
                    _ => false,
                };
                written.table().is_some_and(|entries| entries.iter().any(|(name, entry)| shows(name, &entry.value)))
            }
        }
    };
}
pub(super) use record;
