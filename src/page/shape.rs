//! What templates can use, described from the types that hold it, so that the description can't drift from them.

/// The structure of a value that a template sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Texts by their names.
    Texts,
    /// Something with members.
    Object(Vec<Member>),
    /// Several of these.
    List(Box<Self>),
    /// This, or none.
    Optional(Box<Self>),
}

/// A member of an object: what stands behind a dot in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it is, in the words of its own documentation.
    pub doc: String,
    /// How it is made up.
    pub kind: Kind,
}

/// A type that knows what templates see of it.
pub trait Described {
    /// Its structure.
    fn kind() -> Kind;
}

impl Described for String {
    fn kind() -> Kind {
        Kind::Text
    }
}

impl Described for crate::base::color::Color {
    fn kind() -> Kind {
        Kind::Text
    }
}

impl Described for &'static str {
    fn kind() -> Kind {
        Kind::Text
    }
}

impl Described for u64 {
    fn kind() -> Kind {
        Kind::Number
    }
}

impl Described for bool {
    fn kind() -> Kind {
        Kind::Flag
    }
}

impl Described for std::collections::BTreeMap<String, String> {
    fn kind() -> Kind {
        Kind::Texts
    }
}

impl<T: Described> Described for Option<T> {
    fn kind() -> Kind {
        Kind::Optional(Box::new(T::kind()))
    }
}

impl<T: Described> Described for Vec<T> {
    fn kind() -> Kind {
        Kind::List(Box::new(T::kind()))
    }
}

impl Kind {
    /// In a few words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Number => "number".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::Texts => "texts by name".to_owned(),
            Self::Object(_) => "object".to_owned(),
            Self::List(of) => format!("list of {}", of.words()),
            Self::Optional(of) => format!("{}, or none", of.words()),
        }
    }

    /// The members below it, whether or not there may be none or several.
    pub(super) fn members(&self) -> &[Member] {
        match self {
            Self::Object(members) => members,
            Self::List(of) | Self::Optional(of) => of.members(),
            _ => &[],
        }
    }

    pub(super) fn is_list(&self) -> bool {
        match self {
            Self::List(_) => true,
            Self::Optional(of) => of.is_list(),
            _ => false,
        }
    }
}

/// Structs whose fields templates see: with each comes its description, taken from the documentation of the fields.
macro_rules! described {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[doc = $doc:literal])+ pub $field:ident: $type:ty,)+ })+) => {$(
        $(#[$meta])*
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl $crate::page::shape::Described for $name {
            fn kind() -> $crate::page::shape::Kind {
                $crate::page::shape::Kind::Object(vec![$($crate::page::shape::Member {
                    name: stringify!($field),
                    doc: concat!($($doc),+).trim().to_owned(),
                    kind: <$type as $crate::page::shape::Described>::kind(),
                }),+])
            }
        }
    )+};
}
pub(super) use described;
