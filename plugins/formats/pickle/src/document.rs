/*!
LangChain's `Document`, of any generation: an object whose state is its attributes, or holds them under
`__dict__` (pydantic 1 and 2).
*/

use vecferry_sdk::{ErrorKind, Result};

use crate::class::Known;
use crate::node::{ATTRIBUTES, Kind, Node};

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

impl<'p> Node<'p> {
    /// The document; `None` for anything else.
    ///
    /// # Errors
    /// `pickle/corrupt` for one without a text.
    pub fn document(self) -> Result<Option<Document<'p>>> {
        if self.known() != Some(Known::LangchainDocument) {
            return Ok(None);
        }
        let (mut page_content, mut metadata, mut id) = (None, None, None);
        if let Some(attributes) = self.attributes()? {
            if attributes.len() > ATTRIBUTES {
                let message = format!("a LangChain Document with {} attributes", attributes.len());
                return Err(self.error(ErrorKind::Corrupt, "pickle/document", message));
            }
            for (name, value) in attributes.entries() {
                if name.is_text("page_content")? {
                    page_content = Some(value);
                } else if name.is_text("metadata")? {
                    metadata = Some(value).filter(|value| !value.is_none());
                } else if name.is_text("id")? {
                    id = Some(value).filter(|value| !value.is_none());
                }
            }
        }
        match page_content.filter(|text| text.kind() == Kind::Str) {
            Some(page_content) => Ok(Some(Document { page_content, metadata, id })),
            None => Err(self.error(ErrorKind::Corrupt, "pickle/document", "a LangChain Document without a text")),
        }
    }
}
