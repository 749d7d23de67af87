/*! Whether a scan of an index gives what was added, an approximation, or nothing; and what the index is made of. */

use vecferry_sdk::{Error, Result};

use crate::info::Fidelity;
use crate::node::{Kind, Node};
use crate::parse::HINT;

/// What a scan of `node` gives.
///
/// # Errors
/// `unsupported`: nothing; the message names the type and why.
pub(crate) fn fidelity(node: &Node) -> Result<Fidelity> {
    let lossy = |loss: Option<String>| loss.map_or(Fidelity::Exact, Fidelity::Lossy);
    Ok(match &node.kind {
        Kind::Codes(codes) => lossy(codes.codec.loss()),
        Kind::TwoLayer { quantizer, codec, .. } => {
            readable(quantizer)?;
            lossy(codec.loss())
        }
        Kind::IdMap { inner, .. } | Kind::Graph { storage: inner } | Kind::Refined { refine: inner, .. } => {
            fidelity(inner)?
        }
        Kind::Ivf(ivf) => {
            if ivf.by_residual && node.rows > 0 {
                let Some(quantizer) = &ivf.quantizer else {
                    return Err(refused(node, "the centroids of its lists were not saved with it"));
                };
                readable(quantizer)?;
                lossy(Some(ivf.codec.describe()))
            } else {
                lossy(ivf.codec.loss())
            }
        }
        Kind::Transformed { chain, inner } => match fidelity(inner)? {
            Fidelity::Lossy(loss) => Fidelity::Lossy(loss),
            Fidelity::Exact => lossy(chain.iter().find_map(|transform| transform.loss())),
        },
        Kind::Grid(_) => return Err(refused(node, "it holds centroids, not vectors that were added")),
        Kind::Opaque(why) => return Err(refused(node, why)),
    })
}

/// Whether a quantizer's centroids can be read.
fn readable(quantizer: &Node) -> Result<()> {
    match &quantizer.kind {
        Kind::Grid(_) => Ok(()),
        _ => fidelity(quantizer).map(|_| ()),
    }
}

fn refused(node: &Node, why: &str) -> Error {
    let message = format!("{} ({}): vectors cannot be decoded from this type: {why}", node.fourcc, node.class);
    Error::unsupported("faiss/unsupported-type", message).hint(HINT).at("type", node.class)
}

/// For people: what the index is made of, outermost first.
pub(crate) fn details(node: &Node) -> Vec<(String, String)> {
    let mut classes = Vec::new();
    let mut out = Vec::new();
    let mut next = Some(node);
    while let Some(node) = next {
        classes.push(node.class);
        next = match &node.kind {
            Kind::IdMap { inner, .. } | Kind::Graph { storage: inner } => Some(inner),
            Kind::Transformed { chain, inner } => {
                let chain: Vec<String> = chain.iter().map(|transform| transform.describe()).collect();
                out.push(("transforms".to_owned(), chain.join(", ")));
                Some(inner)
            }
            Kind::Refined { base_class, refine } => {
                out.push(("refines".to_owned(), (*base_class).to_owned()));
                Some(refine)
            }
            Kind::Codes(codes) => {
                out.push(("codes".to_owned(), codes.codec.describe()));
                None
            }
            Kind::TwoLayer { codec, .. } => {
                out.push(("codes".to_owned(), codec.describe()));
                None
            }
            Kind::Ivf(ivf) => {
                out.push(("codes".to_owned(), ivf.codec.describe()));
                if let Some(pairs) = &ivf.duplicates {
                    out.push(("duplicates".to_owned(), (pairs.len / 16).to_string()));
                }
                None
            }
            Kind::Grid(_) | Kind::Opaque(_) => None,
        };
    }
    out.insert(0, ("index".to_owned(), classes.join(" over ")));
    out
}
