//! Who the clients are and what is known of them besides their transactions.

use std::collections::HashMap;

use super::spans::Span;
use super::window::Day;

/// A value of an attribute that is missing.
pub(super) const NO_VALUE: u32 = u32::MAX;

/// One row of the clients' table.
#[derive(Debug, Clone)]
pub(super) struct ClientRow {
    pub(super) client: u32,
    /// From when it holds; the earliest day without such a column.
    pub(super) from: Day,
    pub(super) birth: Option<Day>,
    /// One value an attribute, by its place among the attribute's values.
    pub(super) values: Box<[u32]>,
}

/// Everything that is known of clients.
#[derive(Debug, Default)]
pub(super) struct Clients {
    places: HashMap<Box<str>, u32>,
    ids: Vec<Box<str>>,
    pub(super) rows: Vec<ClientRow>,
    pub(super) deaths: HashMap<u32, Day>,
    pub(super) spans: Vec<(u32, Span)>,
    /// The values met of each attribute.
    pub(super) levels: Vec<Levels>,
}

/// The values met of one attribute, in the order of meeting.
#[derive(Debug, Default)]
pub(super) struct Levels {
    places: HashMap<Box<str>, u32>,
    pub(super) texts: Vec<Box<str>>,
}

impl Levels {
    pub(super) fn place(&mut self, text: &str) -> u32 {
        if let Some(&place) = self.places.get(text) {
            return place;
        }
        let place = self.texts.len() as u32;
        self.texts.push(text.into());
        self.places.insert(text.into(), place);
        place
    }
}

impl Clients {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.places.get(id).copied()
    }

    pub(super) fn id(&self, client: u32) -> &str {
        &self.ids[client as usize]
    }

    /// The client of this identifier, made known if need be. `None` when there are too many to number.
    pub(super) fn place(&mut self, id: &str) -> Option<u32> {
        if let Some(&place) = self.places.get(id) {
            return Some(place);
        }
        let place = u32::try_from(self.ids.len()).ok().filter(|&p| p < u32::MAX)?;
        self.ids.push(id.into());
        self.places.insert(id.into(), place);
        Some(place)
    }

    /// All clients, in the order of their identifiers.
    pub(super) fn in_order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.ids.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| self.id(a).cmp(self.id(b)));
        order
    }
}

/// Where each client's part of sorted rows begins: `starts[c]..starts[c + 1]`.
pub(super) fn starts<T>(clients: usize, rows: &[T], client: impl Fn(&T) -> u32) -> Vec<usize> {
    let mut starts = vec![0_usize; clients + 1];
    for row in rows {
        starts[client(row) as usize + 1] += 1;
    }
    for c in 0..clients {
        starts[c + 1] += starts[c];
    }
    starts
}
