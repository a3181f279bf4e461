//! `exceptions.txt`: where this project and tshark differ, and why.

/// The frames that are not compared.
pub(crate) struct Exceptions(Vec<(String, Option<usize>)>);

impl Exceptions {
    /// Reads the list: a path, a frame number or `*`, and a reason.
    pub(crate) fn read() -> Self {
        let lines = include_str!("exceptions.txt").lines();
        let entries = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
            let mut words = line.split_whitespace();
            let (Some(file), Some(number), Some(_reason)) =
                (words.next(), words.next(), words.next())
            else {
                panic!("exceptions.txt: {line:?} is no path, frame number and reason");
            };
            let number = (number != "*")
                .then(|| number.parse().unwrap_or_else(|_| panic!("exceptions.txt: {line:?}")));
            (file.to_owned(), number)
        });
        Self(entries.collect())
    }

    /// Is there an exception for this frame of the file? Number 0 stands for the count of frames.
    pub(crate) fn excuse(&self, file: &str, number: usize) -> bool {
        self.0.iter().any(|(path, frame)| path == file && frame.is_none_or(|frame| frame == number))
    }
}
