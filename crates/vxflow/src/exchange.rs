//! Requests and their answers.

use crate::record::Exchange;

/// Requests whose answers may be outstanding beside the first one.
const MORE: usize = 15;

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Request {
    number: u16,
    time: i64,
}

/// The requests and answers of one flow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchanges {
    waiting: Option<Request>,
    /// allocated when a second request is sent before the first is answered; the oldest give way
    more: Option<Box<[Option<Request>; MORE]>>,
    requests: u32,
    answered: u32,
    first: Option<i64>,
    longest: i64,
}

impl Exchanges {
    pub(crate) fn request(&mut self, number: u16, time: i64) {
        self.requests = self.requests.saturating_add(1);
        let request = Request { number, time };
        let Some(waiting) = &mut self.waiting else {
            if !self.more().any(|request| request.number == number) {
                self.waiting = Some(request);
            }
            return;
        };
        if waiting.number == number {
            return; // sent again: the first time counts
        }
        let more = self.more.get_or_insert_default();
        if more.iter().flatten().any(|request| request.number == number) {
            return;
        }
        let place = more.iter_mut().min_by_key(|place| place.map_or(i64::MIN, |old| old.time));
        if let Some(place) = place {
            *place = Some(request);
        }
    }

    pub(crate) fn answer(&mut self, number: u16, time: i64) {
        let more = self.more.iter_mut().flat_map(|more| more.iter_mut());
        let asked = core::iter::once(&mut self.waiting)
            .chain(more)
            .find(|place| place.is_some_and(|request| request.number == number))
            .and_then(Option::take);
        if let Some(request) = asked {
            self.answered = self.answered.saturating_add(1);
            let took = time.saturating_sub(request.time).max(0);
            self.first.get_or_insert(took);
            self.longest = self.longest.max(took);
        }
    }

    /// The first datagram of one end, of which nothing is known: of the opener it is the request,
    /// of the other end its answer.
    pub(crate) fn datagram(&mut self, from_opener: bool, time: i64) {
        if from_opener {
            self.request(0, time);
        } else {
            self.answer(0, time);
        }
    }

    fn more(&self) -> impl Iterator<Item = &Request> {
        self.more.iter().flat_map(|more| more.iter().flatten())
    }

    /// Forgets the counts, but not the requests that wait.
    pub(crate) fn restart(&mut self) {
        (self.requests, self.answered, self.first, self.longest) = (0, 0, None, 0);
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.more.as_ref().map_or(0, |more| size_of_val(&**more))
    }

    pub(crate) fn record(&self) -> Exchange {
        Exchange {
            requests: self.requests,
            answered: self.answered,
            first_response: self.first,
            longest_response: self.first.map(|_| self.longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_find_their_requests() {
        let mut exchanges = Exchanges::default();
        exchanges.request(7, 100);
        exchanges.request(8, 110); // beside it
        exchanges.request(7, 5_000); // sent again
        exchanges.answer(8, 130);
        exchanges.answer(9, 140); // nobody asked
        exchanges.answer(7, 5_100);
        exchanges.answer(7, 5_200); // twice
        let expected = Exchange {
            requests: 3,
            answered: 2,
            first_response: Some(20),
            longest_response: Some(5_000),
        };
        assert_eq!(exchanges.record(), expected);
    }

    #[test]
    fn outstanding_requests_are_bounded_and_the_oldest_give_way() {
        let mut exchanges = Exchanges::default();
        for number in 0..1000 {
            exchanges.request(number, i64::from(number));
        }
        for number in 0..1000 {
            exchanges.answer(number, 2_000);
        }
        let record = exchanges.record();
        assert_eq!((record.requests, record.answered), (1000, MORE as u32 + 1));
        // the first ever asked, and the last ones
        assert_eq!((record.first_response, record.longest_response), (Some(2_000), Some(2_000)));
    }
}
