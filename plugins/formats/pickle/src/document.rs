/*!
LangChain's `Document`, of any generation: an object whose state is its attributes, or holds them under
`__dict__` (pydantic 1 and 2).
*/

use vecferry_sdk::{ErrorKind, Result};

use crate::class::Known;
use crate::node::{ATTRIBUTES, Kind, Node};
use crate::value::Tag;

/// A document.
#[derive(Clone, Copy)]
pub struct Document<'p> {
    /// Its text.
    pub page_content: Node<'p>,
    /// A dict, where there is one.
    pub metadata: Option<Node<'p>>,
    /// Its own id, since langchain-core 0.2.11; `None` where it is not set.
    pub id: Option<Node<'p>>,
}

/// The attributes that make a document, and the dict that pydantic keeps them in.
#[derive(Default)]
struct Fields<'p> {
    page_content: Option<Node<'p>>,
    metadata: Option<Node<'p>>,
    id: Option<Node<'p>>,
    inner: Option<Node<'p>>,
}

/// What a key names.
#[derive(Clone, Copy)]
enum Word {
    PageContent,
    Metadata,
    Id,
    Dict,
    Other,
}

/// What the keys of documents name, by their offsets. Documents share their keys, and each is asked for in every one.
pub(crate) struct Words([Option<(u64, Word)>; 1 << WORDS_BITS]);

const WORDS_BITS: u32 = 8;

impl Words {
    pub(crate) fn new() -> Self {
        Words([None; 1 << WORDS_BITS])
    }

    fn slot(&mut self, offset: u64) -> &mut Option<(u64, Word)> {
        // Keys stand at offsets that differ by a few bytes.
        &mut self.0[(offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - WORDS_BITS)) as usize]
    }
}

impl<'p> Node<'p> {
    fn word(self) -> Result<Word> {
        if self.value.tag() != Tag::Text {
            return Ok(Word::Other);
        }
        let offset = self.value.offset();
        let kept = *self.pickle.words.borrow_mut().slot(offset);
        if let Some((at, word)) = kept
            && at == offset
        {
            return Ok(word);
        }
        let names = [
            ("page_content", Word::PageContent),
            ("metadata", Word::Metadata),
            ("id", Word::Id),
            ("__dict__", Word::Dict),
        ];
        let mut word = Word::Other;
        for (name, named) in names {
            if self.is_text(name)? {
                word = named;
            }
        }
        *self.pickle.words.borrow_mut().slot(offset) = Some((offset, word));
        Ok(word)
    }

    fn fields(self) -> Result<Fields<'p>> {
        // Objects may share a state, so what is looked through for each must be small.
        if self.len() > ATTRIBUTES {
            let message = format!("a LangChain Document with {} attributes", self.len());
            return Err(self.error(ErrorKind::Corrupt, "pickle/document", message));
        }
        let mut fields = Fields::default();
        for (name, value) in self.entries() {
            match name.word()? {
                Word::PageContent => fields.page_content = Some(value),
                Word::Metadata => fields.metadata = Some(value).filter(|value| !value.is_none()),
                Word::Id => fields.id = Some(value).filter(|value| !value.is_none()),
                Word::Dict => fields.inner = Some(value).filter(|value| value.kind() == Kind::Dict),
                Word::Other => {}
            }
        }
        Ok(fields)
    }

    /// The document; `None` for anything else.
    ///
    /// # Errors
    /// `pickle/corrupt` for one without a text.
    pub fn document(self) -> Result<Option<Document<'p>>> {
        if self.known() != Some(Known::LangchainDocument) {
            return Ok(None);
        }
        let mut found = Fields::default();
        if let Some(mut state) = self.state() {
            // `copyreg` writes a pair of the attributes and the slots.
            if state.kind() == Kind::Tuple {
                state = state.items().take(2).find(|part| part.kind() == Kind::Dict).unwrap_or(state);
            }
            found = state.fields()?;
            if let Some(inner) = found.inner {
                found = inner.fields()?;
            }
        }
        let Fields { page_content, metadata, id, .. } = found;
        match page_content.filter(|text| text.kind() == Kind::Str) {
            Some(page_content) => Ok(Some(Document { page_content, metadata, id })),
            None => Err(self.error(ErrorKind::Corrupt, "pickle/document", "a LangChain Document without a text")),
        }
    }
}
