/*! The model of a run: chosen once at the start, and the same one again by every process that goes on. */

use std::sync::Arc;

use vecferry_core::{Embedder, Result};
use vecferry_embed::{Chain, Chosen, EmbedSpec, Usage};

use crate::config::Variables;
use crate::document::Embedding;
use crate::model;
use crate::plan::Model;
use crate::render;

/// A model that is ready.
pub(crate) struct Ready {
    pub(crate) embedder: Arc<dyn Embedder>,
    pub(crate) plan: Embedding,
    pub(crate) usage: Arc<Usage>,
}

impl Ready {
    /// The first of the chain that answers.
    pub(crate) fn choose(spec: &EmbedSpec, variables: &Variables) -> Result<Ready> {
        let store = model::store();
        let chosen = Chain::new(spec, &store, model::threads(), variables).choose()?;
        for skipped in &chosen.skipped {
            render::note(&format!("{} is not used: {}", skipped.model, skipped.why));
        }
        Ok(Ready::of(spec, chosen))
    }

    /// The one of a plan.
    pub(crate) fn planned(plan: &Embedding, variables: &Variables) -> Result<Ready> {
        let spec = EmbedSpec::parse(&plan.models)?;
        let store = model::store();
        let chosen = Chain::new(&spec, &store, model::threads(), variables).open_exactly(&plan.identity)?;
        Ok(Ready::of(&spec, chosen))
    }

    fn of(spec: &EmbedSpec, chosen: Chosen) -> Ready {
        let Chosen { embedder, identity, usage, .. } = chosen;
        Ready { embedder, plan: Embedding { models: spec.to_string(), identity }, usage }
    }

    /// For a plan.
    pub(crate) fn model(&self) -> Model {
        let identity = &self.plan.identity;
        Model { label: label(&identity.provider, &identity.model), dimension: Some(identity.dimension) }
    }
}

/// What is known of a chain's first model without asking anybody.
pub(crate) fn expected(spec: &EmbedSpec) -> Model {
    spec.models().first().map_or(Model { label: spec.to_string(), dimension: None }, |first| Model {
        label: label(first.provider(), first.model()),
        dimension: first.known_dimension(),
    })
}

/// The built-in provider goes without saying.
pub(crate) fn label(provider: &str, model: &str) -> String {
    if provider == "fastembed" { model.to_owned() } else { format!("{provider}:{model}") }
}
