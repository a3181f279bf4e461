//! Why an expression cannot be used.

use std::fmt;

use vxlan::LinkType;

use super::ProgramError;

/// A filter expression that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// libpcap, which compiles expressions, is not installed. The text says what to install.
    #[error("filter expressions need libpcap: {0}")]
    NoLibpcap(String),
    /// The expression was refused.
    #[error(transparent)]
    Expression(ExpressionError),
    /// The expression asks for what only the capturing kernel knows of a packet, as `inbound`. It
    /// is not in the packet's bytes.
    #[error(
        "filter expression `{expression}`: on this link type only the capturing kernel knows the answer"
    )]
    LiveOnly {
        /// The expression.
        expression: String,
    },
    /// libpcap compiled the expression to a program that is not valid.
    #[error("libpcap compiled an invalid program from `{expression}`: {source}")]
    Program {
        /// The expression.
        expression: String,
        /// What is wrong with the program.
        source: ProgramError,
    },
}

/// libpcap's refusal of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpressionError {
    /// The expression, as the user gave it.
    pub expression: String,
    /// The link type that it was compiled for: not every expression makes sense on each.
    pub link_type: LinkType,
    /// libpcap's message.
    pub message: String,
    /// The byte offset in `expression` of the word that `message` is about, where that is certain.
    pub position: Option<usize>,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter expression `{}`: {}", self.expression, self.message)?;
        if let Some(position) = self.position {
            write!(f, " (at byte {position})")?;
        }
        if self.link_type != LinkType::ETHERNET {
            match self.link_type.name() {
                Some((name, _)) => write!(f, " (on link type {name})")?,
                None => write!(f, " (on link type {})", self.link_type.0)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ExpressionError {}

impl ExpressionError {
    pub(super) fn new(expression: &str, link_type: LinkType, message: String) -> Self {
        let position = position(expression, &message);
        Self { expression: expression.to_owned(), link_type, message, position }
    }
}

/// Where the word that libpcap's message ends with (`unknown host 'x'`, `illegal token: x`, `'x'
/// not supported …`) stands, if it stands in one place only.
fn position(expression: &str, message: &str) -> Option<usize> {
    let word = match message.split_once('\'') {
        Some((_, rest)) => rest.rsplit_once('\'')?.0,
        None => message.rsplit_once(": ")?.1,
    };
    if word.is_empty() {
        return None;
    }
    let mut places = expression.match_indices(word).map(|(at, _)| at).filter(|&at| {
        let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
        let before = expression[..at].chars().next_back();
        let after = expression[at + word.len()..].chars().next();
        let (first, last) = (word.chars().next(), word.chars().next_back());
        !(first.is_some_and(part_of_word) && before.is_some_and(part_of_word)
            || last.is_some_and(part_of_word) && after.is_some_and(part_of_word))
    });
    match (places.next(), places.next()) {
        (Some(place), None) => Some(place),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_is_told_only_where_it_is_certain() {
        assert_eq!(position("tcp or host nosuch", "unknown host 'nosuch'"), Some(12));
        assert_eq!(position("foo or host foobar", "unknown host 'foo'"), Some(0));
        assert_eq!(position("foo and foo", "unknown host 'foo'"), None, "two places");
        assert_eq!(position("foobar", "unknown host 'foo'"), None, "part of a word");
        assert_eq!(position("ip [ $", "illegal token: $"), Some(5));
        assert_eq!(position("tcp tcp", "can't parse filter expression: syntax error"), None);
        assert_eq!(position("é'", "it's é'"), None);
    }
}
