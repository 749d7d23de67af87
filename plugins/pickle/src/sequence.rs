/*!
A column of a pickle, whatever it is written as: a list, an array of objects or texts, the keys or values of a
dict. It owns its pickle, and is walked in order from any row.
*/

use std::collections::VecDeque;
use std::rc::Rc;

use vecferry_pickle_format::{Array, Element, Handle, Kind, Node, Pickle, Place};
use vecferry_sdk::Result;

/// A column.
#[derive(Clone)]
pub(crate) struct Sequence {
    pub(crate) pickle: Rc<Pickle>,
    of: Handle,
    form: Form,
    pub(crate) len: u64,
}

#[derive(Clone)]
enum Form {
    Items,
    Keys,
    Values,
    /// Texts, numbers or dates, of one dimension.
    Elements(Rc<Array>),
}

/// One value of a column.
#[derive(Clone)]
pub(crate) enum Cell<'p> {
    /// A value of the pickle.
    Node(Node<'p>),
    /// An element of an array.
    Element(Element),
}

impl Sequence {
    fn new(pickle: &Rc<Pickle>, of: Node<'_>, form: Form, len: u64) -> Sequence {
        Sequence { pickle: Rc::clone(pickle), of: of.handle(), form, len }
    }

    /// The items of a list, tuple, set or array of one dimension; `None` for anything else.
    pub(crate) fn items(pickle: &Rc<Pickle>, node: Node<'_>) -> Result<Option<Sequence>> {
        if matches!(node.kind(), Kind::List | Kind::Tuple | Kind::Set) {
            return Ok(Some(Sequence::new(pickle, node, Form::Items, node.len() as u64)));
        }
        let array = node.array()?.filter(|array| array.shape().len() == 1);
        Ok(array.map(|array| match array.objects() {
            Some(list) => {
                let list = pickle.node(list);
                Sequence::new(pickle, list, Form::Items, list.len() as u64)
            }
            None => {
                let len = array.elements();
                Sequence::new(pickle, node, Form::Elements(Rc::new(array)), len)
            }
        }))
    }

    /// The keys of a dict.
    pub(crate) fn keys(pickle: &Rc<Pickle>, dict: Node<'_>) -> Sequence {
        Sequence::new(pickle, dict, Form::Keys, dict.len() as u64)
    }

    /// The values of a dict.
    pub(crate) fn values(pickle: &Rc<Pickle>, dict: Node<'_>) -> Sequence {
        Sequence::new(pickle, dict, Form::Values, dict.len() as u64)
    }

    /// The list, dict or array that it is in.
    pub(crate) fn node(&self) -> Node<'_> {
        self.pickle.node(self.of)
    }

    /// The first values that are not `None`, up to `count` of them among the first thousand.
    pub(crate) fn samples(&self, count: usize) -> Result<Vec<Cell<'_>>> {
        const ROWS: u64 = 1000;
        let mut walk = self.walk(0);
        let mut out = Vec::new();
        while walk.row < ROWS && out.len() < count {
            match walk.next(self)? {
                Some(cell) if cell.is_none() => {}
                Some(cell) => out.push(cell),
                None => break,
            }
        }
        Ok(out)
    }

    /// A walk from this row on.
    pub(crate) fn walk(&self, row: u64) -> Walk {
        let rows = usize::try_from(row).unwrap_or(usize::MAX);
        let place = match self.form {
            Form::Items => {
                let mut items = self.node().items();
                items.skip_items(rows);
                Some(items.place())
            }
            Form::Keys | Form::Values => {
                let mut entries = self.node().entries();
                entries.skip_entries(rows);
                Some(entries.place())
            }
            Form::Elements(_) => None,
        };
        Walk { row, place, ready: VecDeque::new() }
    }
}

/// Where a walk over a column is.
pub(crate) struct Walk {
    row: u64,
    place: Option<Place>,
    /// Elements that were decoded together.
    ready: VecDeque<Element>,
}

impl Walk {
    /// The next value; `None` at the end.
    pub(crate) fn next<'p>(&mut self, column: &'p Sequence) -> Result<Option<Cell<'p>>> {
        if self.row >= column.len {
            return Ok(None);
        }
        if let Form::Elements(array) = &column.form {
            if self.ready.is_empty() {
                let count = array.portion().min(column.len - self.row);
                self.ready.extend(array.element_list(self.row, usize::try_from(count).unwrap_or(1))?);
            }
            self.row += 1;
            return Ok(self.ready.pop_front().map(Cell::Element));
        }
        self.row += 1;
        let Some(place) = self.place else { return Ok(None) };
        let node = if matches!(column.form, Form::Items) {
            let mut items = column.pickle.items_from(place);
            let item = items.next();
            self.place = Some(items.place());
            item
        } else {
            let mut entries = column.pickle.entries_from(place);
            let entry = entries.next();
            self.place = Some(entries.place());
            let keys = matches!(column.form, Form::Keys);
            entry.map(|(key, value)| if keys { key } else { value })
        };
        Ok(node.map(Cell::Node))
    }
}

impl Cell<'_> {
    /// Whether it is nothing.
    pub(crate) fn is_none(&self) -> bool {
        match self {
            Cell::Node(node) => node.is_none(),
            Cell::Element(element) => *element == Element::None,
        }
    }
}
