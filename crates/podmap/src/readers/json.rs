//! JSON text to pruned trees: one object, a list, or several objects one after the other.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::tree::{Spot, Tree, Value, wanted};
use crate::error::{Fault, Place};

/// Reads all documents of `text` and gives each to `each`.
pub(super) fn read(
    text: &str,
    mut each: impl FnMut(Spot<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    // a document's position in the file is kept by the parser: one parser for all of them
    let documents = serde_json::Deserializer::from_str(text).into_iter::<Tree<'_>>();
    for (index, tree) in documents.enumerate() {
        let tree = tree.map_err(|error| syntax(&error))?;
        each(Spot::document(&tree, index + 1))?;
    }
    Ok(())
}

fn syntax(error: &serde_json::Error) -> Fault {
    let place = Place { line: error.line(), column: error.column(), path: String::new() };
    // serde_json repeats the place at the end of its text
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text);
    let message = if error.is_eof() {
        format!("the JSON ends too early ({reason}): is the file whole?")
    } else {
        format!("this is not JSON: {reason}")
    };
    Fault { place, message }
}

impl<'de> Deserialize<'de> for Tree<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(ValueVisitor)?;
        Ok(Self { line: 0, value })
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Value::Number(value.try_into().ok()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(Some(value)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::Number(None))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut trees = Vec::new();
        while let Some(tree) = list.next_element()? {
            trees.push(tree);
        }
        Ok(Value::List(trees))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Vec<(&'static str, Tree<'de>)> = Vec::new();
        while let Some(Wanted(key)) = map.next_key()? {
            let Some(key) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if pairs.iter().any(|(before, _)| *before == key) {
                return Err(A::Error::custom(format_args!("the key {key:?} stands there twice")));
            }
            pairs.push((key, map.next_value()?));
        }
        Ok(Value::Map(pairs))
    }
}

/// A key, if a reader asks for it.
struct Wanted(Option<&'static str>);

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Wanted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
                Ok(Wanted(wanted(key)))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}
