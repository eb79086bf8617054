//! What every stored type can do, and how plain ones are written down.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use esclusa_core::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a stored text cannot be read. It was written by another version, or changed by hand:
/// restore the item from the table's backups, or run the version that wrote it.
#[derive(Debug, thiserror::Error)]
#[error("the stored form cannot be read at `{at}`: {what}")]
pub struct RecordError {
    at: String,
    what: String,
}

impl RecordError {
    pub(super) fn new(what: impl fmt::Display) -> Self {
        Self { at: String::new(), what: what.to_string() }
    }

    pub(super) fn json(error: &serde_json::Error) -> Self {
        Self { at: "JSON".to_owned(), what: error.to_string() }
    }

    pub(super) fn version(v: u32) -> Self {
        Self { at: "v".to_owned(), what: format!("version {v} is newer than this program") }
    }

    /// Names the field that the error lies in.
    pub(super) fn within(mut self, field: &str) -> Self {
        if self.at.is_empty() {
            field.clone_into(&mut self.at);
        } else {
            self.at = format!("{field}.{}", self.at);
        }
        self
    }
}

/// A stored type, and the core's type that it stands for.
pub(super) trait Record: Sized {
    /// The core's type.
    type Core;

    /// What is stored of it.
    fn of(core: &Self::Core) -> Self;

    /// What was stored.
    fn read(self) -> Result<Self::Core, RecordError>;

    /// What was stored in a field, whose name an error then bears.
    fn read_in(self, field: &str) -> Result<Self::Core, RecordError> {
        self.read().map_err(|error| error.within(field))
    }
}

/// A stored struct whose fields are those of a core type.
macro_rules! fields {
    ($(#[$meta:meta])* $record:ident = $core:ident {
        $($(#[$attribute:meta])* $field:ident: $form:ty),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(serde::Serialize, serde::Deserialize)]
        pub(super) struct $record {
            $($(#[$attribute])* pub(super) $field: $form,)*
        }

        impl $crate::record::form::Record for $record {
            type Core = $core;

            fn of(core: &$core) -> Self {
                Self { $($field: <$form as $crate::record::form::Record>::of(&core.$field),)* }
            }

            fn read(self) -> Result<$core, $crate::record::form::RecordError> {
                Ok($core { $($field: self.$field.read_in(stringify!($field))?,)* })
            }
        }
    };
}

/// A stored word for each variant of a core type that holds nothing else.
macro_rules! words {
    ($(#[$meta:meta])* $record:ident = $core:ident {
        $($(#[$attribute:meta])* $variant:ident),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(serde::Serialize, serde::Deserialize, PartialEq, Eq, PartialOrd, Ord)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum $record { $($(#[$attribute])* $variant,)* }

        impl $crate::record::form::Record for $record {
            type Core = $core;

            fn of(core: &$core) -> Self {
                match core { $($core::$variant => Self::$variant,)* }
            }

            fn read(self) -> Result<$core, $crate::record::form::RecordError> {
                Ok(match self { $(Self::$variant => $core::$variant,)* })
            }
        }
    };
}

macro_rules! itself {
    ($($plain:ty),*) => {
        $(impl Record for $plain {
            type Core = $plain;

            fn of(core: &$plain) -> Self {
                core.clone()
            }

            fn read(self) -> Result<$plain, RecordError> {
                Ok(self)
            }
        })*
    };
}

itself!(bool, u16, u32, u64, usize, String);

impl<T: Record> Record for Option<T> {
    type Core = Option<T::Core>;

    fn of(core: &Self::Core) -> Self {
        core.as_ref().map(T::of)
    }

    fn read(self) -> Result<Self::Core, RecordError> {
        self.map(T::read).transpose()
    }
}

impl<T: Record> Record for Vec<T> {
    type Core = Vec<T::Core>;

    fn of(core: &Self::Core) -> Self {
        core.iter().map(T::of).collect()
    }

    fn read(self) -> Result<Self::Core, RecordError> {
        self.into_iter().map(T::read).collect()
    }
}

impl<T> Record for BTreeSet<T>
where
    T: Record + Ord,
    T::Core: Ord,
{
    type Core = BTreeSet<T::Core>;

    fn of(core: &Self::Core) -> Self {
        core.iter().map(T::of).collect()
    }

    fn read(self) -> Result<Self::Core, RecordError> {
        self.into_iter().map(T::read).collect()
    }
}

impl<K, T> Record for BTreeMap<K, T>
where
    K: Record + Ord,
    K::Core: Ord,
    T: Record,
{
    type Core = BTreeMap<K::Core, T::Core>;

    fn of(core: &Self::Core) -> Self {
        core.iter().map(|(key, value)| (K::of(key), T::of(value))).collect()
    }

    fn read(self) -> Result<Self::Core, RecordError> {
        self.into_iter().map(|(key, value)| Ok((key.read()?, value.read()?))).collect()
    }
}

impl<T: Record> Record for Box<T> {
    type Core = T::Core;

    fn of(core: &Self::Core) -> Self {
        Self::new(T::of(core))
    }

    fn read(self) -> Result<Self::Core, RecordError> {
        T::read(*self)
    }
}

/// A name, a digest, an ARN: whatever the core reads from, and writes as, one text.
pub(super) struct Text<T> {
    text: String,
    of: PhantomData<fn() -> T>,
}

impl<T> Record for Text<T>
where
    T: fmt::Display + FromStr,
    T::Err: Error,
{
    type Core = T;

    fn of(core: &T) -> Self {
        Self { text: core.to_string(), of: PhantomData }
    }

    fn read(self) -> Result<T, RecordError> {
        self.text.parse().map_err(RecordError::new)
    }
}

impl<T> PartialEq for Text<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<T> Eq for Text<T> {}

impl<T> PartialOrd for Text<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Text<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl<T> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { text: String::deserialize(deserializer)?, of: PhantomData })
    }
}

/// An instant: milliseconds since the Unix epoch.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Instant(u64);

impl Record for Instant {
    type Core = Timestamp;

    fn of(core: &Timestamp) -> Self {
        Self(core.as_millis())
    }

    fn read(self) -> Result<Timestamp, RecordError> {
        Ok(Timestamp::from_millis(self.0))
    }
}

/// A length of time in milliseconds.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Span(u64);

impl Record for Span {
    type Core = Duration;

    fn of(core: &Duration) -> Self {
        Self(u64::try_from(core.as_millis()).unwrap_or(u64::MAX))
    }

    fn read(self) -> Result<Duration, RecordError> {
        Ok(Duration::from_millis(self.0))
    }
}
